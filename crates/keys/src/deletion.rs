//! When a key that is due may really be destroyed: a wrong clock must not cost anybody a key.
//!
//! A key's material is destroyed only after this process has seen it due for an hour of
//! monotonic time, during which wall clock and monotonic clock agreed to a minute. A wall clock
//! more than a week ahead of the last reading that the store holds stops all destruction until
//! an operator accepts the clock.

use std::collections::HashMap;

use keyward_types::{
    key_id::KeyArn,
    time::{DAY_MILLIS, Monotonic, Timestamp},
};

/// How long a key must have been seen due, in milliseconds of monotonic time.
pub const SEEN_DUE_MILLIS: u64 = 3_600_000;
/// How far the clocks may drift apart meanwhile, in milliseconds.
pub const DRIFT_MILLIS: i64 = 60_000;
/// How far ahead of the last recorded reading a clock may be, in milliseconds.
pub const LEAP_MILLIS: i64 = 7 * DAY_MILLIS;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub monotonic: Monotonic,
}

/// What keeps all destruction from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The last reading of the wall clock that the store holds.
    pub recorded: Timestamp,
    /// The wall clock's reading, over a week ahead of it.
    pub wall: Timestamp,
}

/// The clocks were cleared for the destruction of one key.
#[derive(Debug)]
pub struct Cleared(KeyArn);

impl Cleared {
    /// The key.
    pub fn key(&self) -> &KeyArn {
        &self.0
    }
}

/// The memory of one process: since when it has seen which key due.
#[derive(Debug)]
pub struct DestructionGuard {
    held: Option<Held>,
    recorded: Timestamp,
    seen: HashMap<KeyArn, Reading>,
}

impl DestructionGuard {
    /// A guard that starts from the last reading that the store holds.
    pub fn new(recorded: Timestamp) -> Self {
        Self {
            held: None,
            recorded,
            seen: HashMap::new(),
        }
    }

    /// Takes a reading. Returns what stops all destruction, if anything; otherwise the reading is
    /// to be recorded.
    pub fn observe(&mut self, now: Reading) -> Option<Held> {
        if now.wall.millis_since(self.recorded) > LEAP_MILLIS {
            let held = Held {
                recorded: self.recorded,
                wall: now.wall,
            };
            self.held = Some(held);
            self.seen.clear();
            return Some(held);
        }
        self.held = None;
        // Setting the clock back does not make the guard forget a later time.
        self.recorded = self.recorded.max(now.wall);
        None
    }

    /// Takes over the reading that the store holds by now: an operator has accepted the clock, or
    /// another server recorded a later one. Everything that was stopped has to be seen due again.
    pub fn accept(&mut self, recorded: Timestamp) {
        if self.held.take().is_some() {
            self.seen.clear();
        }
        self.recorded = self.recorded.max(recorded);
    }

    /// The reading to record in the store.
    pub fn recorded(&self) -> Timestamp {
        self.recorded
    }

    /// Reports that a key was seen due; returns the clearance once it has been due for long enough.
    pub fn clear(&mut self, key: &KeyArn, due_at: Timestamp, now: Reading) -> Option<Cleared> {
        if self.held.is_some() || now.wall < due_at {
            self.seen.remove(key);
            return None;
        }
        let first = *self.seen.entry(key.clone()).or_insert(now);
        let by_monotonic = now.monotonic.millis_since(first.monotonic);
        let by_wall = now.wall.millis_since(first.wall);
        let drift = by_wall.saturating_sub_unsigned(by_monotonic);
        if drift.abs() > DRIFT_MILLIS {
            // One of the clocks jumped: the hour begins again.
            self.seen.insert(key.clone(), now);
            return None;
        }
        if by_monotonic < SEEN_DUE_MILLIS {
            return None;
        }
        self.seen.remove(key);
        Some(Cleared(key.clone()))
    }

    /// Forgets keys that are no longer due.
    pub fn retain(&mut self, still_due: impl Fn(&KeyArn) -> bool) {
        self.seen.retain(|key, _| still_due(key));
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::{account::AccountId, key_id::KeyId, region::Region};

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn key() -> KeyArn {
        let account = AccountId::parse("111122223333").unwrap();
        KeyArn::new(
            Region::parse("us-east-1").unwrap(),
            account,
            KeyId::from_random([1; 16]),
        )
    }

    fn at(wall: i64, monotonic: u64) -> Reading {
        Reading {
            wall: Timestamp::from_millis(wall),
            monotonic: Monotonic::from_millis(monotonic),
        }
    }

    #[test]
    fn a_key_is_cleared_after_an_hour_of_being_seen_due() {
        let mut guard = DestructionGuard::new(Timestamp::from_millis(0));
        let due = Timestamp::from_millis(1000);
        assert!(
            guard.clear(&key(), due, at(999, 0)).is_none(),
            "not due yet"
        );
        assert!(
            guard.clear(&key(), due, at(1000, 1)).is_none(),
            "first seen"
        );
        assert!(
            guard
                .clear(&key(), due, at(1000 + HOUR - 1, 3_600_000))
                .is_none()
        );
        assert!(
            guard
                .clear(&key(), due, at(1000 + HOUR, 3_600_001))
                .is_some()
        );
    }

    #[test]
    fn a_wall_clock_that_jumps_begins_the_hour_again() {
        let mut guard = DestructionGuard::new(Timestamp::from_millis(0));
        let due = Timestamp::from_millis(0);
        assert!(guard.clear(&key(), due, at(0, 0)).is_none());
        assert!(
            guard.clear(&key(), due, at(2 * HOUR, 3_600_000)).is_none(),
            "an hour ahead"
        );
        assert!(
            guard
                .clear(&key(), due, at(2 * HOUR + 60_000, 7_199_999))
                .is_none(),
            "behind"
        );
        let later = guard.clear(&key(), due, at(3 * HOUR + 60_000, 10_799_999));
        assert!(later.is_some());
    }

    #[test]
    fn a_clock_over_a_week_ahead_holds_all_destruction() {
        let mut guard = DestructionGuard::new(Timestamp::from_millis(0));
        assert_eq!(guard.observe(at(LEAP_MILLIS, 0)), None);
        assert_eq!(guard.recorded().millis(), LEAP_MILLIS);
        let ahead = 2 * LEAP_MILLIS + 1;
        let held = guard.observe(at(ahead, 1)).unwrap();
        assert_eq!(held.recorded.millis(), LEAP_MILLIS);
        for hour in 0..5 {
            let now = at(
                ahead + hour * HOUR,
                1 + 3_600_000 * u64::try_from(hour).unwrap(),
            );
            assert!(guard.observe(now).is_some());
            assert!(
                guard
                    .clear(&key(), Timestamp::from_millis(0), now)
                    .is_none()
            );
        }
    }
}
