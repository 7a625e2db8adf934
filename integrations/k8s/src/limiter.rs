//! At most so many questions to KMS in a second, and so many of them anew while KMS fails.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// A bucket of turns that fills at a steady rate.
#[derive(Debug)]
pub struct Limiter {
    /// The time between two turns; none if there is no limit.
    every: Option<Duration>,
    /// How long the bucket takes to fill.
    full: Duration,
    /// When the bucket would be full again if nobody took a turn.
    next: Mutex<Instant>,
}

impl Limiter {
    /// So many turns in a second, and so many at once. 0 in a second is no limit.
    pub fn new(in_a_second: u32, at_once: u32) -> Self {
        let every = Duration::from_secs(1).checked_div(in_a_second);
        Self {
            every,
            full: every.unwrap_or_default() * at_once.max(1),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a turn, but not beyond that time. Answers whether there was one.
    pub async fn turn(&self, by: Instant) -> bool {
        let Some(every) = self.every else {
            return true;
        };
        let at = {
            let now = Instant::now();
            let mut next = self.next.lock();
            let after = (*next).max(now) + every;
            let at = after.checked_sub(self.full).unwrap_or(now);
            if at > by {
                return false;
            }
            *next = after;
            at
        };
        sleep_until(at).await;
        true
    }
}

/// What the retries of all calls may cost, as AWS's SDKs count it, so that a KMS that fails is not asked several times as
/// often as before.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
#[derive(Debug)]
pub struct Retries {
    /// None if there is no limit.
    capacity: Option<u32>,
    left: Mutex<u32>,
}

/// What a retry has cost. It is given back when the call succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost(u32);

impl Cost {
    /// Of a first attempt, which costs nothing; if it succeeds, a little is given back of what others have cost.
    pub const FIRST: Self = Self(1);
    /// Of a retry after KMS has refused or could not be reached.
    pub const RETRY: Self = Self(5);
    /// Of a retry after KMS has not answered.
    pub const AFTER_SILENCE: Self = Self(10);
}

impl Retries {
    /// So much for all retries together; 0 for no limit.
    pub fn new(capacity: u32) -> Self {
        Self {
            capacity: (capacity > 0).then_some(capacity),
            left: Mutex::new(capacity),
        }
    }

    /// Takes what a retry costs. Answers whether there was so much.
    pub fn take(&self, Cost(cost): Cost) -> bool {
        if self.capacity.is_none() {
            return true;
        }
        let mut left = self.left.lock();
        let rest = left.checked_sub(cost);
        *left = rest.unwrap_or(*left);
        rest.is_some()
    }

    /// Gives back what the last attempt of a call has cost that succeeded.
    pub fn give_back(&self, Cost(cost): Cost) {
        if let Some(capacity) = self.capacity {
            let mut left = self.left.lock();
            *left = left.saturating_add(cost).min(capacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_use_up_what_successes_give_back() {
        let retries = Retries::new(12);
        let takes = |cost| retries.take(cost);
        assert!(takes(Cost::RETRY) && takes(Cost::RETRY));
        assert!(!takes(Cost::RETRY) && !takes(Cost::AFTER_SILENCE));
        for _ in 0..3 {
            retries.give_back(Cost::FIRST);
        }
        assert!(takes(Cost::RETRY) && !takes(Cost::RETRY));
        for _ in 0..3 {
            retries.give_back(Cost::AFTER_SILENCE);
        }
        assert!(takes(Cost::AFTER_SILENCE) && !takes(Cost::RETRY));
        let unlimited = Retries::new(0);
        assert!((0..1000).all(|_| unlimited.take(Cost::AFTER_SILENCE)));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_once_and_then_one_after_the_other() {
        let limiter = Limiter::new(10, 3);
        let start = Instant::now();
        let by = start + Duration::from_millis(250);
        let mut at = Vec::new();
        while limiter.turn(by).await {
            at.push(start.elapsed().as_millis() / 10);
        }
        assert_eq!(at, [0, 0, 0, 10, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits() {
        let limiter = Limiter::new(0, 0);
        let start = Instant::now();
        for _ in 0..1000 {
            assert!(limiter.turn(start).await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
