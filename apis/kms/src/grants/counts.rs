//! How many grants keys have: the last count, with what was created and ended here since. For a quota that
//! requests in flight may exceed.

use std::collections::HashMap;

use keyward_types::key_id::KeyArn;
use parking_lot::RwLock;

/// The keys whose grants were counted lately.
#[derive(Debug, Default)]
pub struct GrantCounts {
    keys: RwLock<HashMap<KeyArn, GrantCount>>,
}

/// How many grants a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantCount {
    /// How many.
    pub count: u64,
    /// Whether they were counted, and none was created or ended here since. Other servers create
    /// and end grants too, so a number that was only noted may be too high.
    pub counted: bool,
}

impl GrantCounts {
    /// How many grants a key has, or none if they were not counted lately.
    pub fn of(&self, key: &KeyArn) -> Option<GrantCount> {
        let keys = self.keys.read();
        keys.get(key).copied()
    }

    /// Records how many grants a key was found to have, and whether that is the limit. If it is
    /// fewer, what others have noted meanwhile stays: the reading may lack what they made.
    pub fn gathered(&self, key: &KeyArn, count: u64, full: bool) {
        let mut keys = self.keys.write();
        let counted = true;
        let found = GrantCount { count, counted };
        if full {
            keys.insert(key.clone(), found);
        } else {
            keys.entry(key.clone()).or_insert(found);
        }
    }

    /// A grant was made here. Only for what is committed: what meets a conflict is tried again, and would be
    /// counted twice.
    pub fn made(&self, key: &KeyArn) {
        let mut keys = self.keys.write();
        if let Some(grants) = keys.get_mut(key) {
            grants.count = grants.count.saturating_add(1);
            grants.counted = false;
        }
    }

    /// A grant was ended here; likewise.
    pub fn ended(&self, key: &KeyArn) {
        let mut keys = self.keys.write();
        if let Some(grants) = keys.get_mut(key) {
            grants.count = grants.count.saturating_sub(1);
            grants.counted = false;
        }
    }

    /// Has the grants of every key counted again when the next one is created: what other servers
    /// created and ended is not noted here.
    pub fn forget(&self) {
        self.keys.write().clear();
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::{account::AccountId, key_id::KeyId, region::Region};

    use super::*;

    fn key() -> KeyArn {
        let region = Region::parse("us-east-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        KeyArn::new(region, account, KeyId::from_random([7; 16]))
    }

    #[test]
    fn a_late_reading_does_not_undo_what_was_noted_meanwhile() {
        let (key, counts) = (key(), GrantCounts::default());
        let count = |counts: &GrantCounts| counts.of(&key).map(|grants| grants.count);
        // Two read before anything was created; the second reports late.
        counts.gathered(&key, 0, false);
        counts.made(&key);
        counts.gathered(&key, 0, false);
        assert_eq!(count(&counts), Some(1));
        // At the limit, the number is believed, and nobody has to read it again.
        counts.made(&key);
        counts.gathered(&key, 1, true);
        let counted = true;
        assert_eq!(counts.of(&key), Some(GrantCount { count: 1, counted }));
    }

    #[test]
    fn what_was_not_counted_is_not_noted_and_what_is_forgotten_is_counted_anew() {
        let (key, counts) = (key(), GrantCounts::default());
        counts.made(&key);
        assert_eq!(counts.of(&key), None);
        counts.gathered(&key, 2, true);
        counts.ended(&key);
        let counted = false;
        assert_eq!(counts.of(&key), Some(GrantCount { count: 1, counted }));
        counts.forget();
        assert_eq!(counts.of(&key), None);
    }
}
