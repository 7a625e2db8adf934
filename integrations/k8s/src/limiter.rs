//! At most so many questions to KMS in a second.

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

#[cfg(test)]
mod tests {
    use super::*;

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
