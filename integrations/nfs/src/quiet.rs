//! How much strangers can have logged.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// So many lines in a row, and then one each period.
const BURST: u32 = 50;
const PERIOD: Duration = Duration::from_millis(200);

/// Decides whether a line is logged.
#[derive(Debug)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug)]
struct State {
    left: u32,
    since: Instant,
    unlogged: u64,
}

impl Quiet {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            left: BURST,
            since: Instant::now(),
            unlogged: 0,
        }))
    }

    /// How many lines were not logged before this one; `None` if this one is not either.
    pub(crate) fn may_log(&self) -> Option<u64> {
        self.may_log_at(Instant::now())
    }

    fn may_log_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        let elapsed = now.saturating_duration_since(state.since);
        let periods = elapsed.as_millis() / PERIOD.as_millis();
        if periods > 0 {
            let periods = u32::try_from(periods).unwrap_or(u32::MAX);
            state.left = state.left.saturating_add(periods).min(BURST);
            state.since = now;
        }
        if state.left == 0 {
            state.unlogged += 1;
            return None;
        }
        state.left -= 1;
        Some(std::mem::take(&mut state.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_when_there_are_too_many() {
        let quiet = Quiet::new();
        let now = quiet.0.lock().since;
        let logged = (0..1000)
            .filter(|_| quiet.may_log_at(now).is_some())
            .count();
        assert_eq!(logged, 50);
        let later = now + 2 * PERIOD;
        assert_eq!(quiet.may_log_at(later), Some(950));
        assert_eq!(quiet.may_log_at(later), Some(0));
        assert_eq!(quiet.may_log_at(later), None);
    }
}
