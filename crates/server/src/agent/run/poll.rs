//! The question what is wanted, which waits at the server.

use std::time::Duration;

use keyward_client::clock::SystemClock;
use keyward_keeper::kms::Failure;
use keyward_types::time::{Clock as _, Monotonic};
use tokio::sync::mpsc::Sender;

use super::Event;
use crate::agent::talk::{Server, is_overtaken, is_removed};

/// How long is waited after a question that has not been answered; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long is waited at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How long is waited after another process with this agent's identity has asked; twice as long after each further time.
const FIRST_YIELD: Duration = Duration::from_secs(2);
/// How long is waited at most. The processes of the volumes ask for their keys meanwhile.
const LONGEST_YIELD: Duration = Duration::from_secs(30);
/// After how long without another process there is none any more.
const ALONE: Duration = Duration::from_mins(5);

/// How an agent gives way to another one that has its identity.
#[derive(Debug, Default)]
struct Yields {
    /// When it did so last, and for how long.
    last: Option<(Monotonic, Duration)>,
}

impl Yields {
    /// How long it waits this time.
    fn next(&mut self, now: Monotonic) -> Duration {
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

/// Asks the server again and again, and waits there for news.
pub async fn poll(server: Server, events: Sender<Event>) {
    let (mut known, mut wait): (Option<String>, _) = (None, FIRST_WAIT);
    let (clock, mut yields) = (SystemClock::new(), Yields::default());
    loop {
        let answer = server.poll(known.as_deref()).await;
        let then = match &answer {
            Ok(volumes) => {
                known = Some(volumes.known.clone());
                wait = FIRST_WAIT;
                None
            }
            // The server has answered: what is known has not changed.
            Err(failure) if is_overtaken(failure) => {
                Some(gives_way(failure, yields.next(clock.monotonic())))
            }
            Err(_) => {
                // Whoever comes back is told everything.
                known = None;
                let this = wait;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                Some(this)
            }
        };
        let overtaken = answer.as_ref().is_err_and(is_overtaken);
        let removed = answer.as_ref().is_err_and(is_removed);
        if !overtaken && events.send(Event::Polled(answer)).await.is_err() || removed {
            return;
        }
        if let Some(wait) = then {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Says that another process has this agent's identity, and answers how long it has the word.
fn gives_way(failure: &Failure, wait: Duration) -> Duration {
    tracing::warn!(%failure, "another agent uses this agent's identity: asking again in {} seconds. Two agents of one identity spoil each other's volumes: stop one of them, and register it anew (`keyward agent token`) with another --state-dir", wait.as_secs());
    wait
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
