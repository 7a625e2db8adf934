//! How many resources an account has, counted in the background, for quotas that requests in flight
//! may exceed.

use std::collections::HashMap;

use keyward_store::path::{Prefix, Segment};
use keyward_types::{account::AccountId, partition::Partition, region::Region};
use parking_lot::RwLock;

use crate::directory::{paths, scopes::Scope};

/// A kind of record that an API has counted, by its word in paths. The id of the record follows in
/// the paths.
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

/// The last counts, with what was created here since.
#[derive(Debug, Default)]
pub struct Counts {
    all: RwLock<HashMap<Counted, u64>>,
}

impl Counts {
    /// The count, or `None` if it was never gathered.
    pub fn get(&self, counted: Counted) -> Option<u64> {
        self.all.read().get(&counted).copied()
    }

    /// Records what was counted.
    pub fn gathered(&self, counted: Counted, count: u64) {
        self.all.write().insert(counted, count);
    }

    /// One was created here. The pipeline reports it once the change is committed: a change that meets a conflict is
    /// tried again, and would be counted twice.
    pub(crate) fn made(&self, counted: Counted) {
        let mut counts = self.all.write();
        if let Some(count) = counts.get_mut(&counted) {
            *count = count.saturating_add(1);
        }
    }
}
