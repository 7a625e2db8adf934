//! How an agent gives way to another one that has its identity.

use std::time::Duration;

use keyward_types::time::Monotonic;

/// How long is waited after another process with this agent's identity has asked; twice as long after each further time.
const FIRST_YIELD: Duration = Duration::from_secs(2);
/// How long is waited at most. The processes of the volumes ask for their keys meanwhile.
const LONGEST_YIELD: Duration = Duration::from_secs(30);
/// After how long without another process there is none any more.
const ALONE: Duration = Duration::from_mins(5);

/// How an agent gives way to another one that has its identity.
#[derive(Debug, Default)]
pub struct Yields {
    /// When it did so last, and for how long.
    last: Option<(Monotonic, Duration)>,
}

impl Yields {
    /// How long it waits this time.
    pub fn next(&mut self, now: Monotonic) -> Duration {
        let recent = self
            .last
            .filter(|(at, _)| Duration::from_millis(now.millis_since(*at)) < ALONE);
        let wait = match recent {
            Some((_, wait)) => wait.saturating_mul(2).min(LONGEST_YIELD),
            None => FIRST_YIELD,
        };
        self.last = Some((now, wait));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_gives_way_for_longer_each_time_until_it_is_alone() {
        let mut yields = Yields::default();
        let at = |seconds: u64| Monotonic::from_millis(seconds * 1_000);
        for (now, seconds) in (0..).step_by(60).zip([2, 4, 8, 16, 30, 30]) {
            assert_eq!(yields.next(at(now)), Duration::from_secs(seconds));
        }
        assert_eq!(yields.next(at(300 + 299)), LONGEST_YIELD);
        assert_eq!(yields.next(at(599 + 300)), FIRST_YIELD);
    }
}
