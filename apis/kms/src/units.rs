//! Keys and aliases as the caches hold them.

use keyward_engine::{gate::protected::InEvents, policy::policy::Policy};
use keyward_keys::key::Key;
pub use keyward_keys::record::KeyRecord;
use keyward_store::{revision::Revision, sealed::Generation};
use keyward_types::{account::AccountId, key_id::KeyArn};
use keyward_wire::json::Fragment;

use crate::records::AliasRecord;

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
