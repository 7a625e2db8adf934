//! The only place of the bench that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keyward_types::time::Timestamp;

/// Starts a stopwatch.
#[expect(clippy::disallowed_methods, reason = "the bench measures time")]
pub fn start() -> Instant {
    Instant::now()
}

/// The wall clock, to sign with.
#[expect(clippy::disallowed_methods, reason = "requests are signed for now")]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
