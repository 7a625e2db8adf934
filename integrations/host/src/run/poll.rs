//! The question what is wanted, which waits at the server.

use std::{sync::Arc, time::Duration};

use keyward_agent::yields::Yields;
use keyward_client::{answer::Failure, clock::SystemClock};
use keyward_types::time::{Clock as _, Monotonic};
use tokio::{sync::mpsc::Sender, task::spawn_blocking};

use super::Event;
use crate::{
    databases::{Databases, Offer},
    talk::{Server, is_overtaken, is_removed},
};

/// How long is waited after a question that has not been answered; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long is waited at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How often it is looked which database servers are installed, in milliseconds.
const LOOK: u64 = 60_000;

/// Asks the server again and again, and waits there for news.
pub async fn poll(server: Server, databases: Arc<Databases>, events: Sender<Event>) {
    let (mut known, mut wait): (Option<String>, _) = (None, FIRST_WAIT);
    let mut unanswered: u32 = 0;
    let (clock, mut yields) = (SystemClock::new(), Yields::default());
    let (mut offer, mut offered): (Offer, Option<Monotonic>) = (Offer::default(), None);
    loop {
        let now = clock.monotonic();
        if offered.is_none_or(|at| now.millis_since(at) >= LOOK) {
            let databases = Arc::clone(&databases);
            offer = spawn_blocking(move || databases.offer())
                .await
                .unwrap_or(offer);
            offered = Some(now);
        }
        let answer = server.poll(known.as_deref(), &offer).await;
        let then = match &answer {
            Ok(volumes) => {
                known = Some(volumes.known.clone());
                wait = FIRST_WAIT;
                unanswered = 0;
                None
            }
            // The server has answered: what is known has not changed.
            Err(failure) if is_overtaken(failure) => {
                Some(gives_way(failure, yields.next(clock.monotonic())))
            }
            Err(_) => {
                // Whoever comes back is told everything.
                known = None;
                unanswered = unanswered.saturating_add(1);
                let this = wait;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                Some(this)
            }
        };
        let overtaken = answer.as_ref().is_err_and(is_overtaken);
        let removed = answer.as_ref().is_err_and(is_removed);
        match &answer {
            Err(failure) if !overtaken && !removed => tell(failure, unanswered),
            _ => {}
        }
        if !overtaken && events.send(Event::Polled(answer)).await.is_err() || removed {
            return;
        }
        if let Some(wait) = then {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Says that the server has not answered so many times in a row. A server that ends, and has its agent end next, leaves a
/// question or two without an answer: those are no warning.
fn tell(failure: &Failure, unanswered: u32) {
    const QUIET: u32 = 2;
    match unanswered {
        ..=QUIET => {
            tracing::info!(%failure, "the server does not answer: asking it again");
        }
        _ => {
            tracing::warn!(%failure, "cannot get the list of volumes from the server: trying again");
        }
    }
}

/// Says that another process has this agent's identity, and answers how long it has the word.
fn gives_way(failure: &Failure, wait: Duration) -> Duration {
    tracing::warn!(%failure, "another agent uses this agent's identity: asking again in {} seconds. Two agents with one identity damage each other's volumes: stop one of them, and register it again (`keyward agent token`) with another --state-dir", wait.as_secs());
    wait
}
