//! Why a server does not open.

use keyward_crypto::secret::arena::ArenaFull;
use keyward_engine::directory::{ReadError, records::RecordError};
use keyward_keys::{hierarchy::HierarchyError, keyring::KeyringError};
use keyward_store::{
    error::{CommitError, LimitError, StoreError},
    path::PathError,
    sealed::{SealedError, keys::SealKeyError},
};
use keyward_trail::{error::TrailError, head::HeadError};
use keyward_types::{account::AccountId, partition::Partition};

/// Why a server does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store holds records but not its own keys: it is damaged, or no store of Keyward.
    #[error(
        "the store has records but no keys of its own: it is damaged, or is not a store of Keyward"
    )]
    NoKeyring,
    /// The store's own keys do not open.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A new key cannot be wrapped.
    #[error("a new key cannot be wrapped")]
    Hierarchy(#[from] HierarchyError),
    /// The store.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// A sealed record.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// A commit of the first start.
    #[error("the first records cannot be written")]
    Commit(#[from] CommitError),
    /// A unit.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The trail.
    #[error(transparent)]
    Trail(TrailError),
    /// A part of the trail is gone, or was changed.
    #[error(
        "{0}: put back what was removed from the trail or changed in it, or run `keyward audit accept-loss`, which records the loss and continues"
    )]
    TrailLost(TrailError),
    /// The trail has seen a newer store.
    #[error(
        "the store is older than its audit trail: it is at revision {store}, and the trail was written when it was at {trail}: put the newer store back; or, if this one was restored from a backup, run `keyward store accept-restore`, which records that and continues"
    )]
    OlderStore {
        /// The store's revision.
        store: u64,
        /// The newest that the trail has seen.
        trail: u64,
    },
    /// Events of changes are gone.
    #[error(
        "events of changes that are not on the audit trail yet are missing from the store, or were replaced: {found} of {made} were found: restore a backup of the store, or run `keyward audit accept-loss`, which records the loss and continues"
    )]
    Outbox {
        /// How many the trail and the outbox have.
        found: u64,
        /// How many there were.
        made: u64,
    },
    /// The head is an older one, or the store's revision was changed.
    #[error(
        "the store was altered: what it records about the audit trail is from revision {head}, but the store is at revision {store}: restore a backup, or run `keyward store accept-restore`, which records that and continues"
    )]
    HeadElsewhere {
        /// The head's revision.
        head: u64,
        /// The store's.
        store: u64,
    },
    /// The head is gone.
    #[error(
        "the store was altered: what it recorded about the audit trail is missing: restore a backup, or run `keyward store accept-restore`, which records that and continues"
    )]
    NoHead,
    /// The head cannot be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Store and trail agree.
    #[error("there is nothing to accept: the store and its audit trail agree")]
    NothingToAccept,
    /// The operating system.
    #[error("the operating system refused")]
    Io(#[from] std::io::Error),
    /// New credentials, which are put on disk before they count.
    #[error("the credentials cannot be written")]
    Credentials(#[source] std::io::Error),
    /// A record or path of ours breaks a limit: a mistake in this program.
    #[error("a first record cannot be created: {0}")]
    Form(String),
    /// The arena for secrets is too small.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
    /// The account is there already.
    #[error("account {0} already exists")]
    AccountExists(AccountId),
    /// A name that no account can have.
    #[error("the name of an account must have 1 to 50 visible ASCII characters and spaces")]
    AccountName,
    /// No e-mail address.
    #[error("an e-mail address must have 6 to 64 characters, one `@`, and a dot after it")]
    Email,
    /// The e-mail address is another account's.
    #[error("account {0} already has this e-mail address")]
    EmailTaken(AccountId),
    /// The account has another partition than the default Region.
    #[error(
        "the store has no account {account} in partition {partition}: it was initialized with another account id or Region; `keyward account list` shows its accounts"
    )]
    OtherAccount {
        /// The account asked for.
        account: AccountId,
        /// The partition asked for.
        partition: Partition,
    },
}

impl From<TrailError> for OpenError {
    fn from(error: TrailError) -> Self {
        if error.is_loss() {
            Self::TrailLost(error)
        } else {
            Self::Trail(error)
        }
    }
}

macro_rules! form {
    ($($error:ty),*) => {$(
        impl From<$error> for OpenError {
            fn from(error: $error) -> Self {
                Self::Form(error.to_string())
            }
        }
    )*};
}
form!(PathError, LimitError, RecordError, SealKeyError);
