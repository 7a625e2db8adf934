//! When each key was last used: gathered in memory by the hot path, written in the background.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html>

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use keyward_types::{key_id::KeyArn, time::Timestamp};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::directory::records::{LastUseRecord, V1};

/// So many requests may note something down at the same time without waiting for each other.
const SHARDS: usize = 32;

/// One use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// The operation, such as `Decrypt`.
    pub operation: &'static str,
    /// When.
    pub at: Timestamp,
    /// The event on the audit trail.
    pub event_id: Uuid,
    /// The request.
    pub request_id: Uuid,
}

impl LastUse {
    /// The record of this use.
    pub fn to_record(self) -> LastUseRecord {
        LastUseRecord {
            version: V1,
            operation: self.operation.to_owned(),
            at: self.at,
            event_id: self.event_id.to_string(),
            request_id: self.request_id.to_string(),
        }
    }
}

/// What was noted down and not yet written.
#[derive(Debug)]
pub struct Usage {
    shards: Vec<Mutex<HashMap<KeyArn, LastUse>>>,
    hasher: RandomState,
}

impl Default for Usage {
    fn default() -> Self {
        let shards = std::iter::repeat_with(Mutex::default)
            .take(SHARDS)
            .collect();
        Self {
            shards,
            hasher: RandomState::new(),
        }
    }
}

impl Usage {
    /// Notes a use down. A later one replaces an earlier one.
    pub fn note(&self, key: &KeyArn, usage: LastUse) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock();
        match shard.get_mut(key) {
            Some(noted) => *noted = usage,
            None => {
                shard.insert(key.clone(), usage);
            }
        }
    }

    /// The last use that was noted and is not yet known to be written.
    pub fn noted(&self, key: &KeyArn) -> Option<LastUse> {
        self.shard(key)?.lock().get(key).copied()
    }

    /// Everything noted, for the one who writes it.
    pub fn all(&self) -> Vec<(KeyArn, LastUse)> {
        let pairs = |shard: &Mutex<HashMap<KeyArn, LastUse>>| {
            shard
                .lock()
                .iter()
                .map(|(key, usage)| (key.clone(), *usage))
                .collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(pairs).collect()
    }

    /// Forgets a use that is now written, unless a later one was noted meanwhile.
    pub fn written(&self, key: &KeyArn, usage: &LastUse) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock();
        if shard.get(key) == Some(usage) {
            shard.remove(key);
        }
    }

    fn shard(&self, key: &KeyArn) -> Option<&Mutex<HashMap<KeyArn, LastUse>>> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards.get(index)
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::{account::AccountId, key_id::KeyId, region::Region};

    use super::*;

    #[test]
    fn a_use_noted_while_an_earlier_one_is_written_is_kept() {
        let region = Region::parse("us-east-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let key = KeyArn::new(region, account, KeyId::from_random([1; 16]));
        let usage = |operation, at| LastUse {
            operation,
            at: Timestamp::from_millis(at),
            event_id: Uuid::nil(),
            request_id: Uuid::nil(),
        };
        let noted = Usage::default();
        let (first, second) = (usage("Encrypt", 1), usage("Decrypt", 2));
        noted.note(&key, first);
        assert_eq!(noted.all(), [(key.clone(), first)]);
        noted.note(&key, second);
        noted.written(&key, &first);
        assert_eq!(noted.noted(&key), Some(second));
        noted.written(&key, &second);
        assert_eq!(noted.noted(&key), None);
    }
}
