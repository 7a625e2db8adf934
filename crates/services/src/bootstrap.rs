//! From an engine and a root key to a server that answers; at the first start, with what a
//! server needs to begin. Every step may be cut short by a crash: the next start goes on.

pub mod accept;
pub mod services;
mod trail;

use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use keyward_crypto::{
    random,
    secret::{
        SecretBytes,
        arena::{Arena, ArenaFull, ArenaSecret},
    },
};
use keyward_keys::{
    hierarchy::HierarchyError,
    keyring::{self, KeyringError, StoreKeys},
    root_key::RootKey,
};
use keyward_oidc::issuers::Issuers;
use keyward_policy::permit::Authority;
use keyward_store::{
    batch::{Batch, Precondition},
    error::{CommitError, LimitError, StoreError},
    path::{Path, PathError, Prefix},
    sealed::{
        Sealed, SealedBatch, SealedError,
        keys::{SealKey, SealKeyError, SealKeyId, SealKeys},
    },
    store::Store,
};
use keyward_trail::{
    chain::{Chain, ChainId, Copied},
    error::TrailError,
    head::HeadError,
    refused::Refusals,
    trail::{Trail, TrailOptions},
    verify::{Verified, verify},
    writer::Writer,
};
use keyward_types::{
    account::AccountId, partition::Partition, region::Region, time::Clock, unique_id::AccessKeyId,
};

use crate::{
    apis,
    audit::{
        event,
        ledger::{Ledger, keep},
        outbox,
    },
    counts::Counts,
    directory::{
        Directory, DirectoryOptions, ReadError, accounts,
        organizations::email_hash,
        paths, purpose,
        records::{
            self, AccessKeyOwner, AccessKeyRecord, AccountRecord, RecordError, SecretText, V1,
            organization::EmailRecord,
        },
        scopes::scopes_of,
    },
    front::Front,
    kms::state::{AccountKeys, KmsCaches, KmsOptions, KmsState},
    metrics::Metrics,
    organizations::create_account::{is_account_name, is_email},
    pool::Pool,
    scans::Scans,
    server::{Quotas, Shared},
    session::Sessions,
    sts::StsState,
    throttle::Throttle,
    usage::Usage,
};

/// Where the store's own keys stand: the one record that is not sealed.
const KEYRING: &str = "keyring";

/// Why a server does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store holds records but not its own keys: it is damaged, or no store of Keyward.
    #[error("the store holds records but no keys of its own: it is damaged, or not Keyward's")]
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
        "{0}: put back what was taken from the trail or changed in it, or run `keyward audit accept-loss`, which records the loss and goes on"
    )]
    TrailLost(TrailError),
    /// The trail has seen a newer store.
    #[error(
        "the store is older than its audit trail: it stands at revision {store}, and the trail was written when it stood at {trail}: put the newer store back; or, if this one was restored from a backup, run `keyward store accept-restore`, which records that and goes on"
    )]
    OlderStore {
        /// The store's revision.
        store: u64,
        /// The newest that the trail has seen.
        trail: u64,
    },
    /// Events of changes are gone.
    #[error(
        "events of changes are gone from the store, or others stand there, which the audit trail does not have yet: there are {found} in all of {made}: restore a backup of the store, or run `keyward audit accept-loss`, which records the loss and goes on"
    )]
    Outbox {
        /// How many the trail and the outbox have.
        found: u64,
        /// How many there were.
        made: u64,
    },
    /// The head is an older one, or the store's revision was changed.
    #[error(
        "the store was altered: what it knows of the audit trail is of revision {head}, and it stands at {store}: restore a backup, or run `keyward store accept-restore`, which records that and goes on"
    )]
    HeadElsewhere {
        /// The head's revision.
        head: u64,
        /// The store's.
        store: u64,
    },
    /// The head is gone.
    #[error(
        "the store was altered: what it knew of the audit trail is gone: restore a backup, or run `keyward store accept-restore`, which records that and goes on"
    )]
    NoHead,
    /// The head cannot be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Store and trail agree.
    #[error("there is nothing to accept: the store and its audit trail agree in this")]
    NothingToAccept,
    /// The operating system.
    #[error("the operating system refused")]
    Io(#[from] std::io::Error),
    /// New credentials, which are put on disk before they count.
    #[error("the credentials cannot be written")]
    Credentials(#[source] std::io::Error),
    /// A record or path of ours breaks a limit: a mistake in this program.
    #[error("a first record cannot be formed: {0}")]
    Form(String),
    /// The arena for secrets is too small.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
    /// The account is there already.
    #[error("there is an account {0} already")]
    AccountExists(AccountId),
    /// A name that no account can have.
    #[error("an account's name has 1 to 50 visible ASCII characters and spaces")]
    AccountName,
    /// No e-mail address.
    #[error("an e-mail address has 6 to 64 characters, one `@`, and a dot behind it")]
    Email,
    /// The e-mail address is another account's.
    #[error("the e-mail address is that of account {0}")]
    EmailTaken(AccountId),
    /// The account has another partition than the default Region.
    #[error(
        "the store has no account {account} in partition {partition}: it was initialized with another account id or Region"
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

/// How a server is opened.
#[derive(Debug)]
pub struct OpenOptions<'a> {
    /// The account that the first start makes.
    pub account: AccountId,
    /// The default Region, whose partition the account lives in.
    pub region: Region,
    /// The Regions served.
    pub regions: Vec<Region>,
    /// The directory of the audit trail.
    pub audit_directory: &'a FilePath,
    /// How the trail is written.
    pub trail: TrailOptions,
    /// How much is kept in memory.
    pub directory: DirectoryOptions,
    /// How much KMS keeps in memory.
    pub kms: KmsOptions,
    /// Resource quotas.
    pub quotas: Quotas,
    /// What verifies web identities.
    pub issuers: Issuers,
}

/// The root user's first access key, before it is kept.
#[derive(Debug)]
pub struct FirstCredentials {
    /// The id.
    pub id: AccessKeyId,
    /// The secret.
    pub secret: SecretText,
}

impl FirstCredentials {
    /// A new random access key of an account's root user.
    pub fn generate(account: AccountId) -> Self {
        let id = AccessKeyId::long_term(account, random::array());
        Self {
            id,
            secret: SecretText::generate(),
        }
    }

    /// As a profile of AWS's shared credentials file.
    pub fn profile(&self, name: &str) -> SecretText {
        // Room enough for any: growing would leave a copy of the secret behind.
        let mut text = String::with_capacity(1024);
        for part in [
            "[",
            name,
            "]\naws_access_key_id = ",
            self.id.as_str(),
            "\naws_secret_access_key = ",
            self.secret.expose(),
            "\n",
        ] {
            text.push_str(part);
        }
        SecretText::new(text)
    }
}

/// An account that is to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// Its id.
    pub account: AccountId,
    /// A Region of the partition it is to live in.
    pub region: Region,
    /// Its name.
    pub name: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    /// The front.
    pub front: Front,
    /// What KMS's workers need.
    pub kms: Arc<KmsState>,
    /// The audit writer's thread; it ends when the last handle on the server is gone.
    pub writer: JoinHandle<()>,
    /// What is to be done after that.
    pub closing: Closing,
    /// Which events of changes the trail has.
    pub copied: Copied,
    /// What the account's root user may sign with.
    pub root_access_keys: Vec<AccessKeyId>,
}

/// The last thing that a server does.
#[derive(Debug)]
pub struct Closing {
    sealed: Sealed,
    ledger: Arc<Ledger>,
}

impl Closing {
    /// Has the store know where the trail ends, now that nothing more comes.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn finish(self) -> Result<(), CommitError> {
        keep::write(&self.sealed, &self.ledger).await
    }
}

/// Whether the engine holds nothing yet, so that a root key may be made for it.
///
/// # Errors
/// When it cannot be read.
pub async fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.range(&Prefix::all(), None, 1).await?.value.is_empty())
}

/// Opens a server. `first` is asked for credentials if the account does not exist yet; it must
/// have put them on disk before it answers. They count once the account has them.
///
/// # Errors
/// When anything is not as it must be; nothing is ever made anew over something that exists.
pub async fn open(
    store: Arc<dyn Store>,
    root: RootKey,
    arena: Arena,
    clock: Arc<dyn Clock>,
    options: OpenOptions<'_>,
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<Running, OpenError> {
    let (sealed, keys, rest) = opened_keys(store, &root, &arena).await?;
    let OtherKeys {
        marker_key,
        session_key,
    } = rest;
    let ledger = trail::ledger(&sealed, &keys).await?;
    let root_access_keys = account(&sealed, &root, &*clock, &options, first).await?;
    let sessions = Sessions::new(
        (sealed.store_id(), session_key),
        arena.clone(),
        options.directory.cached_principals,
    );
    let directory = options.audit_directory;
    let found = trail::reconcile(&sealed, &keys, directory, &ledger.head()).await?;
    if let Some(torn) = &found.torn {
        let home = (options.region, options.account);
        trail::set_torn_aside(&sealed, directory, torn, (home, &*clock)).await?;
    }
    let trail = Trail::open(
        directory,
        options.trail,
        keys.chain.clone(),
        &found,
        Arc::clone(ledger.frontier()),
    )?;
    let copied = trail.copied();
    let (writer, thread) = Writer::start(trail)?;
    let closing = Closing {
        sealed: sealed.clone(),
        ledger: Arc::clone(&ledger),
    };
    let caches = KmsCaches::new(options.kms);
    let directory = Directory::start(
        sealed,
        arena.clone(),
        Arc::clone(&clock),
        options.directory,
        caches.all(),
    )
    .await?;
    let kms = KmsState::new(Arc::clone(directory.node()), (root, arena), caches);
    let kms = Arc::new(kms);
    let shared = Shared {
        of_accounts: Arc::clone(&kms) as _,
        directory,
        authority: Authority::dangerous_new(),
        clock,
        writer,
        outbox: Arc::default(),
        ledger,
        refusals: Refusals::open(options.audit_directory)?,
        usage: Usage::default(),
        access_key_usage: Usage::default(),
        role_usage: Usage::default(),
        counts: Counts::default(),
        metrics: Metrics::default(),
        quotas: options.quotas,
        throttle: (options.quotas.request_interval)
            .map(|interval| Throttle::new(interval, options.quotas.request_burst)),
        regions: options.regions,
        marker_key,
        sessions,
        audit_directory: options.audit_directory.to_owned(),
        scans: Scans::default(),
        pool: Pool::default(),
        health: crate::server::Health::default(),
    };
    let sts = StsState {
        issuers: options.issuers,
    };
    let services = apis::services(Arc::clone(&kms), sts);
    let front = Front::new(Arc::new(shared), services);
    Ok(Running {
        front,
        kms,
        writer: thread,
        closing,
        copied,
        root_access_keys,
    })
}

/// Copies events of changes to the trail, and has the store know of the trail, for as long as it is
/// polled.
pub async fn relay(front: Front, copied: Copied) {
    let shared = front.shared();
    let (node, writer) = (Arc::clone(shared.directory.node()), shared.writer.clone());
    let (places, ledger) = (Arc::clone(&shared.outbox), Arc::clone(&shared.ledger));
    drop(front);
    let keeps = keep::keep(Arc::clone(&node), writer.clone(), Arc::clone(&ledger));
    tokio::select! {
        () = keeps => {}
        () = outbox::relay(node, writer, places, (ledger, copied)) => {}
    }
}

/// Waits until the events of all changes stand in the trail, for a while; says so if they do not.
/// What is left over is copied at the next start.
pub async fn relayed(front: &Front) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let node = front.shared().directory.node();
    let places = &front.shared().outbox;
    let writer = &front.shared().writer;
    match outbox::emptied(node, places, writer, PATIENCE).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("events of changes are still to be copied to the audit trail"),
        Err(error) => tracing::warn!(%error, "the outbox cannot be emptied"),
    }
}

/// The store's own keys, made if the store is empty.
async fn store_keys(
    store: &dyn Store,
    root: &RootKey,
    arena: &Arena,
) -> Result<StoreKeys, OpenError> {
    let path = Path::parse(KEYRING)?;
    if let Some(entry) = store.get(&path).await?.value {
        return Ok(keyring::open(&entry.value, root, arena)?);
    }
    if !is_empty(store).await? {
        return Err(OpenError::NoKeyring);
    }
    let bytes = keyring::generate(root)?;
    let keys = keyring::open(&bytes, root, arena)?;
    let mut batch = Batch::new();
    batch.put(path, bytes, Precondition::Absent)?;
    store.commit(batch).await?;
    Ok(keys)
}

/// The account's root access keys; the account is made if there is none.
async fn account(
    sealed: &Sealed,
    root: &RootKey,
    clock: &dyn Clock,
    options: &OpenOptions<'_>,
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<Vec<AccessKeyId>, OpenError> {
    let (partition, account) = (options.region.partition(), options.account);
    let path = paths::account(partition, account);
    if let Some(record) = sealed.get(&path).await?.value {
        let record: AccountRecord = records::decode(record.bytes_of(purpose::ACCOUNT)?)?;
        return Ok(record.root_access_keys);
    }
    // Only the keyring stands in a store whose account was never made.
    if sealed
        .store()
        .range(&Prefix::all(), None, 2)
        .await?
        .value
        .len()
        > 1
    {
        return Err(OpenError::OtherAccount { account, partition });
    }
    let credentials = first().map_err(OpenError::Credentials)?;
    let mut batch = sealed.batch();
    let record = AccountRecord {
        version: V1,
        account,
        partition,
        created: clock.now(),
        root_access_keys: vec![credentials.id.clone()],
        inactive_root_access_keys: Vec::new(),
        root_replaced: None,
        name: None,
        email: None,
    };
    let keys = AccountKeys(root.in_store(sealed.store_id()));
    accounts::put(&mut batch, &record, None, &keys)
        .map_err(|error| OpenError::Form(error.chain()))?;
    put_root_credentials(
        &mut batch,
        credentials,
        (partition, account),
        options.region,
        clock,
    )?;
    sealed.commit(batch).await?;
    Ok(record.root_access_keys)
}

fn put_root_credentials(
    batch: &mut SealedBatch,
    credentials: FirstCredentials,
    (partition, account): (Partition, AccountId),
    region: Region,
    clock: &dyn Clock,
) -> Result<(), OpenError> {
    let record = AccessKeyRecord {
        version: V1,
        id: credentials.id,
        account,
        partition,
        owner: AccessKeyOwner::Root,
        active: true,
        created: clock.now(),
        secret: credentials.secret,
    };
    let bytes = SecretBytes::from_vec(records::encode(&record)?);
    batch.put(
        paths::access_key(&record.id),
        purpose::CREDENTIAL,
        bytes.expose(),
        Precondition::Any,
    )?;
    let event_id = uuid::Builder::from_random_bytes(random::array())
        .into_uuid()
        .to_string();
    let changes: Vec<event::Changed> = batch
        .written()
        .iter()
        .map(|(path, g)| (path.as_str().to_owned(), *g))
        .collect();
    let line = event::render_service_event(
        ("CreateRootAccessKey", "iam.amazonaws.com"),
        (region, account.as_str(), None),
        (clock.now(), &event_id),
        |details| details.string("accessKeyId", record.id.as_str()),
        &changes,
    );
    batch.put(
        paths::outbox(clock.now(), &event_id)?,
        purpose::OUTBOX,
        &line,
        Precondition::Absent,
    )?;
    Ok(())
}

/// Gives the root user a new access key in place of all it has, for owners who lost theirs. The
/// server must not be running.
///
/// # Errors
/// As [`open`].
pub async fn replace_root_credentials(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    clock: &dyn Clock,
    (region, account): (Region, AccountId),
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<(), OpenError> {
    let sealed = open_sealed(store, root, arena).await?;
    let partition = region.partition();
    let path = paths::account(partition, account);
    let Some(read) = sealed.get(&path).await?.value else {
        return Err(OpenError::OtherAccount { account, partition });
    };
    let record: AccountRecord = records::decode(read.bytes_of(purpose::ACCOUNT)?)?;
    let credentials = first().map_err(OpenError::Credentials)?;
    let mut batch = sealed.batch();
    for old in record
        .root_access_keys
        .iter()
        .filter(|old| **old != credentials.id)
    {
        batch.delete(paths::access_key(old), Precondition::Any)?;
    }
    let record = AccountRecord {
        root_access_keys: vec![credentials.id.clone()],
        inactive_root_access_keys: Vec::new(),
        root_replaced: Some(clock.now()),
        ..record
    };
    let at = Precondition::At(read.revision);
    batch.put(path, purpose::ACCOUNT, &records::encode(&record)?, at)?;
    put_root_credentials(&mut batch, credentials, (partition, account), region, clock)?;
    sealed.commit(batch).await?;
    Ok(())
}

/// Makes an account and an access key of its root user. The server must not be running. `first`
/// must have put the credentials on disk before it answers; once this answers, they count.
///
/// # Errors
/// As [`open`], and when id or e-mail address are another account's.
pub async fn create_account(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    clock: &dyn Clock,
    new: NewAccount,
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<(), OpenError> {
    let NewAccount {
        account,
        region,
        name,
        email,
    } = new;
    let named = |name: &String| name.len() <= 50 && is_account_name(name);
    if !name.as_ref().is_none_or(named) {
        return Err(OpenError::AccountName);
    }
    let addressed = |email: &String| (6..=64).contains(&email.len()) && is_email(email);
    if !email.as_ref().is_none_or(addressed) {
        return Err(OpenError::Email);
    }
    let sealed = open_sealed(store, root, arena).await?;
    let partition = region.partition();
    let path = paths::account(partition, account);
    if sealed.get(&path).await?.value.is_some() {
        return Err(OpenError::AccountExists(account));
    }
    let mut batch = sealed.batch();
    if let Some(email) = &email {
        let path = paths::account_email(partition, &email_hash(&sealed, partition, email));
        if let Some(record) = sealed.get(&path).await?.value {
            let bytes = record.bytes_of(purpose::ACCOUNT_EMAIL)?;
            let taken: EmailRecord = records::decode(bytes)?;
            return Err(OpenError::EmailTaken(taken.account));
        }
        let record = EmailRecord {
            version: V1,
            account,
        };
        let bytes = records::encode(&record)?;
        batch.put(path, purpose::ACCOUNT_EMAIL, &bytes, Precondition::Absent)?;
    }
    let credentials = first().map_err(OpenError::Credentials)?;
    let record = AccountRecord {
        version: V1,
        account,
        partition,
        created: clock.now(),
        root_access_keys: vec![credentials.id.clone()],
        inactive_root_access_keys: Vec::new(),
        root_replaced: None,
        name,
        email,
    };
    let keys = AccountKeys(root.in_store(sealed.store_id()));
    accounts::put(&mut batch, &record, None, &keys)
        .map_err(|error| OpenError::Form(error.chain()))?;
    put_root_credentials(&mut batch, credentials, (partition, account), region, clock)?;
    sealed.commit(batch).await?;
    Ok(())
}

/// Every account of a store, by id. The server must not be running.
///
/// # Errors
/// As [`open`].
pub async fn accounts(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<Vec<AccountRecord>, OpenError> {
    let scopes = scopes_of(&*store).await?;
    let sealed = open_sealed(store, root, arena).await?;
    let mut accounts = Vec::new();
    for scope in scopes.iter().filter(|scope| scope.region.is_none()) {
        let path = paths::account(scope.partition, scope.account);
        if let Some(record) = sealed.get(&path).await?.value {
            accounts.push(records::decode(record.bytes_of(purpose::ACCOUNT)?)?);
        }
    }
    Ok(accounts)
}

/// Checks every batch of the trail and of segments that were moved to `archives`, and compares the
/// trail with the store.
///
/// # Errors
/// The first thing that is not as it was written, and what a start would refuse.
pub async fn verify_trail(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    (directory, archives): (&FilePath, &[PathBuf]),
) -> Result<Verified, OpenError> {
    let (sealed, keys) = open_keys(store, root, arena).await?;
    let head = trail::head(&sealed).await?;
    let verified = verify((directory, archives), &keys.chain, &head.known())?;
    trail::reconcile(&sealed, &keys, directory, &head).await?;
    Ok(verified)
}

/// The store for commands of a stopped server, whose commits keep the trail's head true.
async fn open_sealed(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<Sealed, OpenError> {
    let (sealed, keys) = open_keys(store, root, arena).await?;
    trail::ledger(&sealed, &keys).await?;
    Ok(sealed)
}

async fn open_keys(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<(Sealed, trail::Keys), OpenError> {
    if is_empty(&*store).await? {
        return Err(OpenError::NoKeyring);
    }
    let (sealed, keys, _) = opened_keys(store, root, arena).await?;
    Ok((sealed, keys))
}

/// Keys of the store that neither seal it nor authenticate the trail.
struct OtherKeys {
    marker_key: ArenaSecret,
    session_key: ArenaSecret,
}

/// Opens the store's own keys, made if it is empty.
async fn opened_keys(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<(Sealed, trail::Keys, OtherKeys), OpenError> {
    let StoreKeys {
        store_id,
        seal_keys,
        name_key,
        audit_key,
        marker_key,
        session_key,
    } = store_keys(&*store, root, arena).await?;
    let mut seal_keys: Vec<SealKey> = seal_keys
        .into_iter()
        .map(|(id, version, key)| SealKey::new(SealKeyId { id, version }, key))
        .collect::<Result<_, _>>()?;
    let current = seal_keys.pop().ok_or(OpenError::NoKeyring)?;
    let seal = Arc::new(SealKeys::new(store_id, current, seal_keys, name_key)?);
    let keys = trail::Keys {
        seal: Arc::clone(&seal),
        chain: Chain::new(ChainId::only(store_id), Arc::new(audit_key)),
    };
    let rest = OtherKeys {
        marker_key,
        session_key,
    };
    Ok((Sealed::new(store, seal), keys, rest))
}
