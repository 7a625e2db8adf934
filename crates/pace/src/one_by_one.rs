//! Requests that count what there is before they create another one: those of an account in a Region take turns, so that
//! there are never more than allowed.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use keyward_types::{account::AccountId, region::Region};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Whose turn it is, until it is dropped. An operation keeps it until it has ended, and so until its change is
/// committed.
pub type Turn = OwnedMutexGuard<()>;

/// The turns of one account in one Region, as long as anybody waits for one or has one.
type Turns = Weak<Mutex<()>>;

/// The turns of each account in each Region.
#[derive(Debug, Default)]
pub struct OneByOne(parking_lot::Mutex<HashMap<(Region, AccountId), Turns>>);

impl OneByOne {
    /// Waits for a turn.
    pub async fn turn(&self, region: Region, account: AccountId) -> Turn {
        let turns = {
            let mut all = self.0.lock();
            all.retain(|_, turns| turns.strong_count() > 0);
            let known = all.get(&(region, account)).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turns = Arc::new(Mutex::new(()));
                all.insert((region, account), Arc::downgrade(&turns));
                turns
            })
        };
        turns.lock_owned().await
    }
}
