//! The units that requests need, as the cache holds them: records read, policies compiled,
//! secrets in the arena.

pub mod identity;
pub mod organization;
pub mod signer;

use keyward_crypto::secret::arena::{Arena, ArenaSecret};
use keyward_keys::{key::Key, record::KeyRecord};
use keyward_policy::policy::Policy;
use keyward_store::{revision::Revision, sealed::Generation};
use keyward_types::{
    account::AccountId, key_id::KeyArn, partition::Partition, unique_id::AccessKeyId,
};
use keyward_wire::json::Fragment;

use self::signer::Signer;
use crate::{
    directory::records::{AccessKeyOwner, AccessKeyRecord, AliasRecord},
    gate::protected::InEvents,
};

/// A KMS key with its compiled policy.
#[derive(Debug)]
pub struct KeyUnit {
    key: Key,
    policy: Policy,
    in_events: Fragment,
    generation: Generation,
    revision: Revision,
}

impl KeyUnit {
    /// The unit of a key.
    pub(crate) fn new(
        key: Key,
        policy: Policy,
        generation: Generation,
        revision: Revision,
    ) -> Self {
        let in_events = Fragment::of(|resource| {
            resource.string("accountId", key.arn().account().as_str());
            resource.string("type", "AWS::KMS::Key");
            resource.string("ARN", key.arn().as_str());
        });
        Self {
            key,
            policy,
            in_events,
            generation,
            revision,
        }
    }

    /// The key, for the ring.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its record.
    pub fn record(&self) -> &KeyRecord {
        self.key.record()
    }

    /// Its ARN.
    pub fn arn(&self) -> &KeyArn {
        self.key.arn()
    }

    /// Its policy, compiled.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The generation of its record.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The revision at which its record was last written.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl InEvents for KeyUnit {
    fn arn(&self) -> &str {
        self.key.arn().as_str()
    }

    fn account(&self) -> AccountId {
        self.key.arn().account()
    }

    fn policy_generation(&self) -> Generation {
        self.generation
    }

    fn element(&self) -> &Fragment {
        &self.in_events
    }
}

/// An alias.
#[derive(Debug)]
pub struct AliasUnit {
    /// Its record.
    pub record: AliasRecord,
    /// The revision at which it was last written.
    pub revision: Revision,
}

/// An access key with its secret, and the signing keys made from it, which die with it.
#[derive(Debug)]
pub struct AccessKeyUnit {
    id: AccessKeyId,
    account: AccountId,
    partition: Partition,
    owner: AccessKeyOwner,
    active: bool,
    owned: bool,
    signer: Signer,
    generation: Generation,
    revision: Revision,
}

impl AccessKeyUnit {
    /// The unit of an access key whose secret stands in the arena.
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
            signer: Signer::new(secret, arena),
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
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }
}
