//! The units that requests need, as the cache holds them: records read, policies compiled,
//! secrets in the arena.

pub mod identity;
pub mod organization;
pub mod signer;

use keyward_crypto::secret::arena::{Arena, ArenaSecret};
use keyward_store::{revision::Revision, sealed::Generation};
use keyward_types::{account::AccountId, partition::Partition, unique_id::AccessKeyId};

use self::signer::SigningSecret;
use crate::directory::records::{AccessKeyOwner, AccessKeyRecord};

/// An access key with its secret, and the signing keys made from it, which die with it.
#[derive(Debug)]
pub struct AccessKeyUnit {
    id: AccessKeyId,
    account: AccountId,
    partition: Partition,
    owner: AccessKeyOwner,
    active: bool,
    owned: bool,
    signer: SigningSecret,
    generation: Generation,
    revision: Revision,
}

impl AccessKeyUnit {
    /// The unit of an access key whose secret is in the arena.
    pub(crate) fn new(
        record: &AccessKeyRecord,
        secret: ArenaSecret,
        arena: Arena,
        ((generation, revision), owned): ((Generation, Revision), bool),
    ) -> Self {
        Self {
            id: record.id.clone(),
            account: record.account,
            partition: record.partition,
            owner: record.owner.clone(),
            active: record.active,
            owned,
            signer: SigningSecret::new(secret, arena),
            generation,
            revision,
        }
    }

    /// The id.
    pub fn id(&self) -> &AccessKeyId {
        &self.id
    }

    /// The owner's account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The owner's partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Whose it is.
    pub fn owner(&self) -> &AccessKeyOwner {
        &self.owner
    }

    /// Whether its owner names it: only then it is one.
    pub(super) fn is_owned(&self) -> bool {
        self.owned
    }

    /// Whether it is in use.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// The generation of the record.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The revision at which the record was last written.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The secret, ready to verify with.
    pub(crate) fn signer(&self) -> &SigningSecret {
        &self.signer
    }
}
