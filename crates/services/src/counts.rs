//! Counts of an account's things, gathered in the background, for quotas that may overshoot by
//! what is in flight.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use keyward_types::{account::AccountId, region::Region};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// KMS keys of an account in a Region, in every state.
    Keys(AccountId, Region),
    /// Users of an account.
    Users(AccountId),
}

/// The counts as they were last gathered, with what was made here since.
#[derive(Debug, Default)]
pub struct Counts(RwLock<HashMap<Counted, u64>>);

impl Counts {
    /// The count, or none if it was never gathered.
    pub fn get(&self, counted: Counted) -> Option<u64> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&counted)
            .copied()
    }

    /// Says what was counted.
    pub fn gathered(&self, counted: Counted, count: u64) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(counted, count);
    }

    /// One was made here.
    pub fn made(&self, counted: Counted) {
        let mut counts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&counted) {
            *count = count.saturating_add(1);
        }
    }
}
