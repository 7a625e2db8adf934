//! The real clocks. Only this module reads them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use keyward_types::time::{Clock, Monotonic, Timestamp};

/// The machine's wall clock and monotonic clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Creates the clocks; the monotonic one starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the home of the clocks")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the clocks")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        let since = self.start.elapsed().as_millis();
        Monotonic::from_millis(u64::try_from(since).unwrap_or(u64::MAX))
    }
}
