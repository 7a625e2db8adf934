//! The question what is wanted, which waits at the server.

use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::Event;
use crate::agent::talk::{Server, is_removed};

/// How long is waited after a question that has not been answered; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long is waited at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Asks the server again and again, and waits there for news.
pub async fn poll(server: Server, events: Sender<Event>) {
    let (mut known, mut wait): (Option<String>, _) = (None, FIRST_WAIT);
    loop {
        let answer = server.poll(known.as_deref()).await;
        let failed = match &answer {
            Ok(volumes) => {
                known = Some(volumes.known.clone());
                wait = FIRST_WAIT;
                false
            }
            Err(_) => {
                // Whoever comes back is told everything.
                known = None;
                true
            }
        };
        let removed = answer.as_ref().is_err_and(is_removed);
        if events.send(Event::Polled(answer)).await.is_err() || removed {
            return;
        }
        if failed {
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }
}
