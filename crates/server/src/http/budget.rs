//! How much memory may be used by requests that wait for their bodies, and so cannot be
//! authenticated yet, and by answers that have not been sent. When it is used up, the one that has
//! waited longest makes room: an honest client sends its body and reads its answer at once, while
//! an attacker who wants to occupy memory must wait.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// A number of bytes that many requests share.
#[derive(Clone, Debug)]
pub struct Budget {
    most: usize,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    next: u64,
    /// By number, so that the one that has waited longest comes first.
    claims: BTreeMap<u64, Claimed>,
}

#[derive(Debug)]
struct Claimed {
    bytes: usize,
    by: By,
}

#[derive(Debug)]
enum By {
    /// A request that waits for its body. Dropping this ends the wait.
    Request { _hold: oneshot::Sender<()> },
    /// An answer that has not been sent.
    Answer(Arc<Ending>),
}

/// A number of bytes of the budget; dropping it gives them back.
#[derive(Debug)]
pub struct Claim {
    number: u64,
    budget: Budget,
}

/// The part of the budget that a waiting request takes; dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    claim: Claim,
    taken_back: oneshot::Receiver<()>,
}

/// Ends a connection whose client does not read its answers. A single HTTP/2 stream whose window is
/// closed cannot be ended, since nothing polls the rest of its answer.
#[derive(Debug, Default)]
pub struct Ending(Mutex<Option<oneshot::Sender<()>>>);

impl Ending {
    /// The handle for one connection, and the receiver that learns of its end.
    pub fn new() -> (Self, oneshot::Receiver<()>) {
        let (hold, ended) = oneshot::channel();
        (Self(Mutex::new(Some(hold))), ended)
    }

    fn end(&self) {
        drop(self.0.lock().take());
    }
}

/// The budget was needed for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

impl Budget {
    /// A budget of this many bytes.
    pub fn new(most: usize) -> Self {
        let waiting = Arc::default();
        Self { most, waiting }
    }

    /// A share for a request that begins to wait.
    ///
    /// # Errors
    /// [`Crowded`] if it is more than all of the budget.
    pub fn share(&self, bytes: usize) -> Result<Share, Crowded> {
        let (hold, taken_back) = oneshot::channel();
        let (claim, fits) = self.claim(bytes, By::Request { _hold: hold });
        let share = Share { claim, taken_back };
        fits.then_some(share).ok_or(Crowded)
    }

    /// A claim for an answer, which exists already and must be sent. If it is longer than the whole
    /// budget, it takes all of it.
    pub fn answer(&self, bytes: usize, connection: &Arc<Ending>) -> Claim {
        let by = By::Answer(Arc::clone(connection));
        let (claim, _) = self.claim(bytes.min(self.most), by);
        claim
    }

    fn claim(&self, bytes: usize, by: By) -> (Claim, bool) {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.bytes += bytes;
        waiting.claims.insert(number, Claimed { bytes, by });
        let fits = waiting.fit(self.most, number);
        drop(waiting);
        let budget = self.clone();
        (Claim { number, budget }, fits)
    }

    /// Bytes in use.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.waiting().bytes
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

impl Share {
    /// Enlarges the share.
    ///
    /// # Errors
    /// [`Crowded`] if the share was taken back earlier, or is taken back now.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Crowded> {
        let Claim { number, budget } = &self.claim;
        let mut waiting = budget.waiting();
        let held = waiting.claims.get_mut(number).ok_or(Crowded)?;
        held.bytes += bytes;
        waiting.bytes += bytes;
        let fits = waiting.fit(budget.most, *number);
        fits.then_some(()).ok_or(Crowded)
    }

    /// Ready once the share has been taken back.
    pub fn poll_taken_back(&mut self, cx: &mut Context<'_>) -> Poll<Crowded> {
        Pin::new(&mut self.taken_back).poll(cx).map(|_| Crowded)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.budget.waiting().remove(self.number);
    }
}

impl Waiting {
    /// Takes claims back, beginning with the oldest, until no more than `most` is in use. Answers
    /// whether the claim with this number was kept.
    fn fit(&mut self, most: usize, number: u64) -> bool {
        while self.bytes > most {
            let Some(longest) = self.claims.keys().next().copied() else {
                break;
            };
            if let Some(By::Answer(connection)) = self.remove(longest) {
                connection.end();
            }
        }
        self.claims.contains_key(&number)
    }

    fn remove(&mut self, number: u64) -> Option<By> {
        let held = self.claims.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(held.bytes);
        Some(held.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken_back(share: &mut Share) -> bool {
        share.taken_back.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_longest_waiting_makes_room() {
        let budget = Budget::new(100);
        let mut first = budget.share(40).unwrap();
        let mut second = budget.share(40).unwrap();
        let mut third = budget.share(40).unwrap();
        assert!(is_taken_back(&mut first));
        assert!(!is_taken_back(&mut second) && !is_taken_back(&mut third));
        assert_eq!(first.grow(1), Err(Crowded));
        assert_eq!(third.grow(20), Ok(()));
        assert_eq!(third.grow(20), Ok(()), "the second made room");
        assert!(is_taken_back(&mut second));
        assert_eq!(third.grow(30), Err(Crowded), "nobody is left to make room");
        drop((first, second, third));
        assert_eq!(budget.waiting().bytes, 0);
    }

    #[test]
    fn an_answer_that_was_not_taken_for_longest_ends_its_connection() {
        let budget = Budget::new(100);
        let (connection, mut ended) = Ending::new();
        let connection = Arc::new(connection);
        let taken = budget.answer(90, &connection);
        drop(taken);
        let untaken = budget.answer(60, &connection);
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        let mut request = budget.share(60).unwrap();
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        // An answer is never refused, whatever its length.
        let long = budget.answer(1000, &connection);
        assert!(is_taken_back(&mut request));
        assert_eq!(budget.waiting().bytes, 100);
        drop((untaken, long));
        assert_eq!(budget.waiting().bytes, 0);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(100);
        for _ in 0..1000 {
            let mut share = budget.share(50).unwrap();
            assert_eq!(share.grow(50), Ok(()));
        }
        assert_eq!(budget.share(101).unwrap_err(), Crowded);
        assert_eq!(budget.waiting().bytes, 0);
    }
}
