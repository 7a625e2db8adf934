//! The units that requests need, as the cache holds them: records read, policies compiled,
//! secrets in the arena.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use keyward_crypto::secret::arena::{Arena, ArenaSecret};
use keyward_keys::{key::Key, record::KeyRecord};
use keyward_policy::policy::Policy;
use keyward_store::{sealed::Generation, store::Revision};
use keyward_types::{
    account::AccountId, key_id::KeyArn, partition::Partition, principal::Principal, region::Region,
    unique_id::AccessKeyId,
};
use keyward_wire::sigv4::SigningKey;

use crate::directory::records::{AccessKeyOwner, AccessKeyRecord, AliasRecord, UserRecord};

/// A KMS key with its compiled policy.
#[derive(Debug)]
pub struct KeyUnit {
    key: Key,
    policy: Policy,
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
        Self {
            key,
            policy,
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

/// An alias.
#[derive(Debug)]
pub struct AliasUnit {
    /// Its record.
    pub record: AliasRecord,
    /// The revision at which it was last written.
    pub revision: Revision,
}

/// A user with its compiled policies.
#[derive(Debug)]
pub struct UserUnit {
    principal: Arc<Principal>,
    record: UserRecord,
    policies: Vec<(String, Policy)>,
    generation: Generation,
    revision: Revision,
}

impl UserUnit {
    /// The unit of a user whose policies were compiled.
    pub(crate) fn new(
        principal: Principal,
        record: UserRecord,
        policies: BTreeMap<String, Policy>,
        (generation, revision): (Generation, Revision),
    ) -> Self {
        let policies = policies.into_iter().collect();
        Self {
            principal: Arc::new(principal),
            record,
            policies,
            generation,
            revision,
        }
    }

    /// The identity.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The record.
    pub fn record(&self) -> &UserRecord {
        &self.record
    }

    /// Inline policies by name.
    pub fn policies(&self) -> &[(String, Policy)] {
        &self.policies
    }

    /// The generation of the record.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The revision at which the record was last written.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

/// An access key with its secret, and the signing keys made from it, which die with it.
#[derive(Debug)]
pub struct AccessKeyUnit {
    id: AccessKeyId,
    account: AccountId,
    partition: Partition,
    owner: AccessKeyOwner,
    active: bool,
    secret: ArenaSecret,
    arena: Arena,
    generation: Generation,
    revision: Revision,
    signing: [ArcSwapOption<CachedSigningKey>; 3],
}

#[derive(Debug)]
struct CachedSigningKey {
    date: Box<str>,
    region: Region,
    key: ArenaSecret,
}

/// The services that requests are signed for; each has a signing key of its own.
const SIGNED_SERVICES: [&str; 3] = ["kms", "sts", "iam"];

impl AccessKeyUnit {
    /// The unit of an access key whose secret stands in the arena.
    pub(crate) fn new(
        record: &AccessKeyRecord,
        secret: ArenaSecret,
        arena: Arena,
        (generation, revision): (Generation, Revision),
    ) -> Self {
        Self {
            id: record.id.clone(),
            account: record.account,
            partition: record.partition,
            owner: record.owner.clone(),
            active: record.active,
            secret,
            arena,
            generation,
            revision,
            signing: [const { ArcSwapOption::const_empty() }; 3],
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

    /// Lends the signing key of a credential scope, made once for each day, Region and service.
    pub(crate) fn with_signing_key<T>(
        &self,
        (date, region, service): (&str, Region, &str),
        work: impl FnOnce(&[u8; 32]) -> T,
    ) -> Option<T> {
        let index = SIGNED_SERVICES.iter().position(|known| *known == service)?;
        let place = self.signing.get(index)?;
        let cached = place.load();
        if let Some(cached) = cached
            .as_deref()
            .filter(|c| *c.date == *date && c.region == region)
        {
            return cached.key.expose_array().map(work);
        }
        let key = SigningKey::derive(self.secret.expose(), date, region.as_str(), service);
        let key = key.into_secret();
        // Kept only while there is room for what cannot be made anew.
        if !self.arena.is_nearly_full()
            && let Ok(stored) = self.arena.store(&key)
        {
            let cached = CachedSigningKey {
                date: date.into(),
                region,
                key: stored,
            };
            place.store(Some(Arc::new(cached)));
        }
        key.expose_array().map(work)
    }
}
