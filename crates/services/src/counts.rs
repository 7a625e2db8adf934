//! Counts of an account's things, gathered in the background, for quotas that may overshoot by
//! what is in flight.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use keyward_types::{account::AccountId, key_id::KeyArn, region::Region};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// KMS keys of an account in a Region, in every state.
    Keys(AccountId, Region),
    /// Users of an account.
    Users(AccountId),
    /// Roles of an account.
    Roles(AccountId),
    /// Groups of an account.
    Groups(AccountId),
    /// Customer managed policies of an account.
    Policies(AccountId),
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
    /// Whether they were counted, and none was made or ended here since. What meets a conflict is
    /// noted again when it is tried again, so what is noted may be too much.
    pub counted: bool,
}

impl Counts {
    /// The count, or none if it was never gathered.
    pub fn get(&self, counted: Counted) -> Option<u64> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&counted)
            .copied()
    }

    /// Says what was counted.
    pub fn gathered(&self, counted: Counted, count: u64) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(counted, count);
    }

    /// One was made here.
    pub fn made(&self, counted: Counted) {
        let mut counts = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&counted) {
            *count = count.saturating_add(1);
        }
    }

    /// How many grants a key has, or none if they were not counted lately.
    pub fn grants(&self, key: &KeyArn) -> Option<GrantCount> {
        let grants = self.grants.read().unwrap_or_else(PoisonError::into_inner);
        grants.get(key).copied()
    }

    /// Says how many grants a key was found to have.
    pub fn grants_gathered(&self, key: &KeyArn, count: u64) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        let counted = true;
        grants.insert(key.clone(), GrantCount { count, counted });
    }

    /// A grant was made here.
    pub fn grant_made(&self, key: &KeyArn) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(grants) = grants.get_mut(key) {
            grants.count = grants.count.saturating_add(1);
            grants.counted = false;
        }
    }

    /// A grant was ended here.
    pub fn grant_ended(&self, key: &KeyArn) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(grants) = grants.get_mut(key) {
            grants.count = grants.count.saturating_sub(1);
            grants.counted = false;
        }
    }

    /// Has the grants of every key be counted anew when it is next given one: what other servers
    /// made and ended is not noted here.
    pub fn forget_grants(&self) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        grants.clear();
    }
}
