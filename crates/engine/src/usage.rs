//! When keys, access keys and roles were last used: gathered in memory by the hot path, written
//! in the background.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html>

use std::hash::{BuildHasher as _, Hash};

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use keyward_types::{region::Region, time::Timestamp};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::directory::records::{LastUseRecord, V1, identity::CredentialUseRecord};

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

/// One use of an access key or of a role's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialUse {
    /// When.
    pub at: Timestamp,
    /// The service that was asked, such as `kms`.
    pub service: &'static str,
    /// The Region of the request.
    pub region: Region,
}

impl CredentialUse {
    /// The record of this use.
    pub fn to_record(self) -> CredentialUseRecord {
        CredentialUseRecord {
            version: V1,
            at: self.at,
            service: self.service.to_owned(),
            region: self.region,
        }
    }
}

/// What was noted down and not yet written: the last use `U` of each `K`.
#[derive(Debug)]
pub struct LastUses<K, U> {
    shards: Vec<Mutex<HashTable<(K, U)>>>,
    hasher: DefaultHashBuilder,
}

impl<K, U> Default for LastUses<K, U> {
    fn default() -> Self {
        let shards = std::iter::repeat_with(Mutex::default)
            .take(SHARDS)
            .collect();
        Self {
            shards,
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<K: Clone + Eq + Hash, U: Copy + PartialEq> LastUses<K, U> {
    /// Notes a use down. A later one replaces an earlier one.
    pub fn note(&self, key: &K, usage: U) {
        let hash = self.hasher.hash_one(key);
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let hash_of = |(key, _): &(K, U)| self.hasher.hash_one(key);
        match shard.lock().entry(hash, |(known, _)| known == key, hash_of) {
            Entry::Occupied(mut noted) => noted.get_mut().1 = usage,
            Entry::Vacant(place) => {
                place.insert((key.clone(), usage));
            }
        }
    }

    /// The last use that was noted and is not yet known to be written.
    pub fn noted(&self, key: &K) -> Option<U> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash)?.lock();
        let found = shard.find(hash, |(known, _)| known == key);
        found.map(|(_, usage)| *usage)
    }

    /// Everything noted, for the one who writes it.
    pub fn all(&self) -> Vec<(K, U)> {
        let pairs = |shard: &Mutex<HashTable<(K, U)>>| {
            let shard = shard.lock();
            shard.iter().cloned().collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(pairs).collect()
    }

    /// Forgets a use that is now written, unless a later one was noted meanwhile.
    pub fn written(&self, key: &K, usage: &U) {
        let hash = self.hasher.hash_one(key);
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let mut shard = shard.lock();
        let same = |(known, noted): &(K, U)| known == key && noted == usage;
        if let Ok(found) = shard.find_entry(hash, same) {
            found.remove();
        }
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<HashTable<(K, U)>>> {
        // Bits that the table itself, which goes by the lowest and the highest, does not look at.
        let index = usize::try_from((hash >> 40) % SHARDS as u64).unwrap_or(0);
        self.shards.get(index)
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::{
        account::AccountId,
        key_id::{KeyArn, KeyId},
    };

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
        let noted = LastUses::default();
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
