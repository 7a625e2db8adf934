//! Work that looks at much at once: everybody of an account, the whole trail. One such piece of
//! work runs at a time in the whole server, so that it costs others one thread at most, and few
//! wait for their turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most pieces of work that wait.
const MOST_WAITING: usize = 8;

/// The one turn.
#[derive(Debug)]
pub struct Scans {
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wait for their turn")]
pub struct Busy;

/// Somebody's turn, until it and its clones are dropped. Work that continues on a thread of its own
/// after the request was given up holds a clone.
#[derive(Clone, Debug)]
pub struct Turn {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// One who waits, counted for as long as it does.
struct Waiting<'s>(&'s AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }
}

impl Scans {
    /// Waits for a turn.
    ///
    /// # Errors
    /// At once, if many wait already.
    pub async fn turn(&self) -> Result<Turn, Busy> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting(&self.waiting);
        // The request with the turn does not wait.
        if before > MOST_WAITING {
            return Err(Busy);
        }
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.turn).acquire_owned().await;
        drop(waiting);
        Ok(Turn {
            _permit: Arc::new(permit.map_err(|_| Busy)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future as _, pin::pin, task::Context};

    use super::*;

    #[tokio::test]
    async fn one_has_the_turn_some_wait_and_the_next_is_sent_away() {
        let scans = Scans::default();
        let first = scans.turn().await.unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut waiting: Vec<_> = (0..=MOST_WAITING).map(|_| Box::pin(scans.turn())).collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(scans.turn().await.map(|_| ()), Err(Busy));
        // Who goes away does not count.
        waiting.pop();
        let mut last = pin!(scans.turn());
        assert!(last.as_mut().poll(&mut cx).is_pending());
        // A clone is the same turn.
        let still = first.clone();
        drop(first);
        assert!(waiting[0].as_mut().poll(&mut cx).is_pending());
        drop(still);
        assert!(waiting.remove(0).await.is_ok());
    }
}
