//! Counts of an account's things, gathered in the background, for quotas that may overshoot by
//! what is in flight.

use std::collections::HashMap;

use keyward_store::path::{Prefix, Segment};
use keyward_types::{account::AccountId, key_id::KeyArn, partition::Partition, region::Region};
use parking_lot::RwLock;

use crate::directory::{paths, scopes::Scope};

/// A kind of record that an API has counted, by the word that stands for it in paths. The paths go
/// on with the id of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedKind {
    /// Records of an account in no Region.
    Global(Segment<'static>),
    /// Records of an account in a Region.
    Regional(Segment<'static>),
}

impl CountedKind {
    /// What there is to count of this kind in a part of the store.
    pub(crate) fn in_scope(self, scope: Scope) -> Option<(Counted, Prefix)> {
        let Scope {
            partition, account, ..
        } = scope;
        match (self, scope.region) {
            (Self::Global(kind), None) => Some((
                Counted { kind, scope },
                paths::below_global(partition, account, [kind]),
            )),
            (Self::Regional(kind), Some(region)) => Some((
                Counted { kind, scope },
                paths::below_scoped(region, account, [kind]),
            )),
            (Self::Global(_), Some(_)) | (Self::Regional(_), None) => None,
        }
    }
}

/// What is counted: the records of a kind in a part of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counted {
    kind: Segment<'static>,
    scope: Scope,
}

impl Counted {
    /// The records of a kind that an account has in no Region.
    pub fn global(kind: Segment<'static>, partition: Partition, account: AccountId) -> Self {
        let region = None;
        let scope = Scope {
            partition,
            account,
            region,
        };
        Self { kind, scope }
    }

    /// The records of a kind that an account has in a Region.
    pub fn regional(kind: Segment<'static>, region: Region, account: AccountId) -> Self {
        let (partition, region) = (region.partition(), Some(region));
        let scope = Scope {
            partition,
            account,
            region,
        };
        Self { kind, scope }
    }
}

/// What a change does to the counts. The pipeline notes it once the change is committed: what meets a
/// conflict is tried again, and would be counted twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountChange {
    /// One more of this.
    Made(Counted),
    /// One more grant on a key.
    GrantMade(KeyArn),
    /// One grant less on a key.
    GrantEnded(KeyArn),
}

/// The counts as they were last gathered, with what was made here since.
#[derive(Debug, Default)]
pub struct Counts {
    all: RwLock<HashMap<Counted, u64>>,
    grants: RwLock<HashMap<KeyArn, GrantCount>>,
}

/// How many grants a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantCount {
    /// How many.
    pub count: u64,
    /// Whether they were counted, and none was made or ended here since. Other servers make and end
    /// grants too, so what is only noted may be too much.
    pub counted: bool,
}

impl Counts {
    /// The count, or none if it was never gathered.
    pub fn get(&self, counted: Counted) -> Option<u64> {
        self.all.read().get(&counted).copied()
    }

    /// Says what was counted.
    pub fn gathered(&self, counted: Counted, count: u64) {
        self.all.write().insert(counted, count);
    }

    /// Notes what a committed change did.
    pub(crate) fn note(&self, change: &CountChange) {
        match change {
            CountChange::Made(counted) => self.made(*counted),
            CountChange::GrantMade(key) => self.grant_made(key),
            CountChange::GrantEnded(key) => self.grant_ended(key),
        }
    }

    /// One was made here.
    fn made(&self, counted: Counted) {
        let mut counts = self.all.write();
        if let Some(count) = counts.get_mut(&counted) {
            *count = count.saturating_add(1);
        }
    }

    /// How many grants a key has, or none if they were not counted lately.
    pub fn grants(&self, key: &KeyArn) -> Option<GrantCount> {
        let grants = self.grants.read();
        grants.get(key).copied()
    }

    /// Says how many grants a key was found to have, and whether that is as many as it may. If it
    /// is fewer, what others have noted meanwhile stays: the reading may lack what they made.
    pub fn grants_gathered(&self, key: &KeyArn, count: u64, full: bool) {
        let mut grants = self.grants.write();
        let counted = true;
        let found = GrantCount { count, counted };
        if full {
            grants.insert(key.clone(), found);
        } else {
            grants.entry(key.clone()).or_insert(found);
        }
    }

    /// A grant was made here.
    fn grant_made(&self, key: &KeyArn) {
        let mut grants = self.grants.write();
        if let Some(grants) = grants.get_mut(key) {
            grants.count = grants.count.saturating_add(1);
            grants.counted = false;
        }
    }

    /// A grant was ended here.
    fn grant_ended(&self, key: &KeyArn) {
        let mut grants = self.grants.write();
        if let Some(grants) = grants.get_mut(key) {
            grants.count = grants.count.saturating_sub(1);
            grants.counted = false;
        }
    }

    /// Has the grants of every key be counted anew when it is next given one: what other servers
    /// made and ended is not noted here.
    pub fn forget_grants(&self) {
        let mut grants = self.grants.write();
        grants.clear();
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::key_id::KeyId;

    use super::*;

    #[test]
    fn a_late_reading_does_not_undo_what_was_noted_meanwhile() {
        let region = Region::parse("us-east-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let key = KeyArn::new(region, account, KeyId::from_random([7; 16]));
        let counts = Counts::default();
        let count = |counts: &Counts| counts.grants(&key).map(|grants| grants.count);
        // Two read before anything was made; the second is slow to say so.
        counts.grants_gathered(&key, 0, false);
        counts.grant_made(&key);
        counts.grants_gathered(&key, 0, false);
        assert_eq!(count(&counts), Some(1));
        // As many as there may be is believed, and nobody need read again.
        counts.grant_made(&key);
        counts.grants_gathered(&key, 1, true);
        let counted = true;
        assert_eq!(counts.grants(&key), Some(GrantCount { count: 1, counted }));
    }
}
