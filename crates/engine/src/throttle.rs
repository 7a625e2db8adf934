//! How many requests one principal may send: a token bucket for each, if the operator configures it.
//!
//! Whatever is over the rate is answered before anything is parsed, looked up or recorded, so that
//! no principal can keep a server, or its disk, busy alone. The sessions of a role share its bucket. What a
//! principal asks because a stranger came to it has a second bucket: strangers cannot empty the first one. What an
//! operation limits by itself has a bucket for each thing that it is asked about.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    time::Duration,
};

use hashbrown::HashMap;
use keyward_types::time::Timestamp;
use parking_lot::Mutex;

use crate::caller::{Bearer, Caller};

/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 64;
/// Principals remembered in one part. One that was forgotten starts with a full bucket.
const PER_SHARD: usize = 1024;

/// The buckets of all principals.
pub struct Throttle {
    /// Microseconds after which a bucket has one more token.
    interval: i64,
    /// Microseconds in which an empty bucket becomes full.
    full: i64,
    hasher: RandomState,
    /// When each bucket will be full again.
    shards: Box<[Mutex<HashMap<u64, i64>>]>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Throttle {
    /// One request for each principal in every interval, and at most so many at once.
    pub fn new(interval: Duration, burst: u32) -> Self {
        let interval = i64::try_from(interval.as_micros())
            .unwrap_or(i64::MAX)
            .max(1);
        Self {
            interval,
            full: interval.saturating_mul(i64::from(burst.max(1))),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Takes a token of the caller's bucket, if there is one; of its second one if it asks for a stranger.
    pub fn admits(&self, caller: &Caller, for_stranger: bool, now: Timestamp) -> bool {
        let own = principal(&self.hasher, caller);
        let key = match for_stranger {
            true => self.hasher.hash_one(own),
            false => own,
        };
        self.takes(key, now.millis().saturating_mul(1000))
    }

    /// Takes a token of the caller's bucket for one thing of its own, if there is one.
    pub fn admits_about(&self, caller: &Caller, thing: &str, now: Timestamp) -> bool {
        let key = (principal(&self.hasher, caller), thing);
        let key = self.hasher.hash_one(key);
        self.takes(key, now.millis().saturating_mul(1000))
    }

    fn takes(&self, key: u64, now: i64) -> bool {
        let shard = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(shard) else {
            return true;
        };
        let mut buckets = shard.lock();
        let latest = now.saturating_add(self.full);
        let full_at = match buckets.get_mut(&key) {
            Some(full_at) => {
                // No bucket is emptier than empty, even if the clock was set back.
                *full_at = (*full_at).clamp(now, latest);
                *full_at
            }
            None => now,
        };
        let after = full_at.saturating_add(self.interval);
        if after > latest {
            return false;
        }
        if buckets.len() >= PER_SHARD && !buckets.contains_key(&key) {
            buckets.retain(|_, full_at| *full_at > now);
            if buckets.len() >= PER_SHARD {
                buckets.clear();
            }
        }
        buckets.insert(key, after);
        true
    }
}

/// The principal behind the caller, without its session, as a number.
pub(crate) fn principal(hasher: &RandomState, caller: &Caller) -> u64 {
    let mut hasher = hasher.build_hasher();
    match caller.bearer() {
        Bearer::User(user) => user.record().id.as_str().hash(&mut hasher),
        Bearer::Role(role) => role.record().id.as_str().hash(&mut hasher),
        Bearer::Root => caller.principal().account_text().hash(&mut hasher),
        Bearer::Service(service) => service.name().hash(&mut hasher),
        Bearer::Agent(_) | Bearer::Nobody => caller.principal().arn().hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_bucket_is_emptied_by_a_burst_and_filled_by_time() {
        let throttle = Throttle::new(Duration::from_millis(100), 3);
        let taken = |key, now| throttle.takes(key, now);
        assert_eq!(
            [(); 5].map(|()| taken(1, 0)),
            [true, true, true, false, false]
        );
        // Another principal has a bucket of its own.
        assert!(taken(2, 0));
        assert_eq!(
            [99_999, 100_000, 100_001].map(|now| taken(1, now)),
            [false, true, false]
        );
        // It is never fuller than full.
        assert_eq!(
            [(); 4].map(|()| taken(1, SECOND * 60)),
            [true, true, true, false]
        );
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_long() {
        let throttle = Throttle::new(Duration::from_millis(100), 1);
        assert!(throttle.takes(1, SECOND * 3600));
        assert!(!throttle.takes(1, 0));
        assert!(throttle.takes(1, 100_000));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_full_buckets_first() {
        let throttle = Throttle::new(Duration::from_secs(1), 1);
        let of_shard = |number: usize| number as u64 * SHARDS as u64;
        for number in 0..PER_SHARD {
            assert!(throttle.takes(of_shard(number), 0));
        }
        // All but one are full again.
        assert!(throttle.takes(of_shard(0), SECOND));
        assert!(throttle.takes(of_shard(PER_SHARD), SECOND));
        assert!(!throttle.takes(of_shard(0), SECOND));
        for number in 0..PER_SHARD * 3 {
            throttle.takes(of_shard(number), SECOND * 2);
        }
        assert!(throttle.shards[0].lock().len() <= PER_SHARD);
    }
}
