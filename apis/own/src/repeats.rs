//! Refusals that repeat one another: strangers who are refused the same again and again must not be able to fill the
//! disk with events.
//!
//! The first refusal of its kind is recorded like everything else; those that follow within ten minutes are counted, and
//! sampled into the log of refused callers. So are refusals after too many kinds were recorded in this time.

use std::{
    collections::{HashSet, hash_map::RandomState},
    fmt,
    hash::{BuildHasher as _, Hash},
};

use keyward_types::time::Timestamp;
use parking_lot::{Mutex, MutexGuard};

/// Seconds after which a refusal is recorded again.
const PERIOD: i64 = 600;
/// The most kinds of refusals that are recorded in this time.
const MOST: usize = 256;

/// What was refused lately.
#[derive(Default)]
pub struct Repeats {
    hasher: RandomState,
    lately: Mutex<Lately>,
}

#[derive(Default)]
struct Lately {
    since: i64,
    kinds: HashSet<u64>,
}

impl fmt::Debug for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeats").finish_non_exhaustive()
    }
}

impl Repeats {
    /// Whether a refusal of that kind would not be recorded.
    pub fn has(&self, kind: &impl Hash, now: Timestamp) -> bool {
        let kind = self.hasher.hash_one(kind);
        let lately = self.at(now);
        lately.kinds.contains(&kind) || lately.kinds.len() >= MOST
    }

    /// Takes it that a refusal of that kind is recorded.
    pub fn note(&self, kind: &impl Hash, now: Timestamp) {
        let kind = self.hasher.hash_one(kind);
        let mut lately = self.at(now);
        if lately.kinds.len() < MOST {
            lately.kinds.insert(kind);
        }
    }

    fn at(&self, now: Timestamp) -> MutexGuard<'_, Lately> {
        let mut lately = self.lately.lock();
        // Also if the clock was set back.
        if !(0..PERIOD).contains(&now.seconds().saturating_sub(lately.since)) {
            lately.since = now.seconds();
            lately.kinds.clear();
        }
        lately
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_recorded_again_after_a_while() {
        let repeats = Repeats::default();
        let at = Timestamp::from_seconds;
        assert!(!repeats.has(&"one", at(1000)));
        repeats.note(&"one", at(1000));
        assert_eq!(
            ["one", "two"].map(|kind| repeats.has(&kind, at(1599))),
            [true, false]
        );
        assert!(!repeats.has(&"one", at(1600)));
        repeats.note(&"one", at(1600));
        assert!(!repeats.has(&"one", at(1599)), "the clock was set back");
    }

    #[test]
    fn only_so_many_kinds_are_recorded() {
        let repeats = Repeats::default();
        let at = Timestamp::from_seconds;
        for kind in 0..MOST * 2 {
            assert_eq!(repeats.has(&kind, at(1)), kind >= MOST);
            repeats.note(&kind, at(1));
        }
        assert_eq!(repeats.lately.lock().kinds.len(), MOST);
    }
}
