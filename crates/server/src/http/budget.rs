//! How much memory requests may take that wait for their bodies, and so cannot be proven yet. When
//! it is used up, whoever has waited longest makes room: a client sends its body at once, and who
//! wants to hold memory must wait.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

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
    /// By number, and so the longest waiting first.
    requests: BTreeMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    bytes: usize,
    /// Dropped, it ends the wait.
    _hold: oneshot::Sender<()>,
}

/// What one request takes of the budget; dropping it gives that back.
#[derive(Debug)]
pub struct Share {
    number: u64,
    budget: Budget,
    taken_back: oneshot::Receiver<()>,
}

/// The budget was needed for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

impl Budget {
    /// So many bytes.
    pub fn new(most: usize) -> Self {
        let waiting = Arc::default();
        Self { most, waiting }
    }

    /// A share for a request that begins to wait.
    ///
    /// # Errors
    /// [`Crowded`] if it is more than all of the budget.
    pub fn share(&self, bytes: usize) -> Result<Share, Crowded> {
        let mut waiting = self.waiting();
        let (hold, taken_back) = oneshot::channel();
        let number = waiting.next;
        waiting.next += 1;
        waiting.bytes += bytes;
        let request = Request { bytes, _hold: hold };
        waiting.requests.insert(number, request);
        let fits = waiting.fit(self.most, number);
        drop(waiting);
        let budget = self.clone();
        let share = Share {
            number,
            budget,
            taken_back,
        };
        fits.then_some(share).ok_or(Crowded)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more.
    ///
    /// # Errors
    /// [`Crowded`] if the share was taken back, or is now.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Crowded> {
        let mut waiting = self.budget.waiting();
        let request = waiting.requests.get_mut(&self.number).ok_or(Crowded)?;
        request.bytes += bytes;
        waiting.bytes += bytes;
        let fits = waiting.fit(self.budget.most, self.number);
        fits.then_some(()).ok_or(Crowded)
    }

    /// Ready when the share was taken back.
    pub fn poll_taken_back(&mut self, cx: &mut Context<'_>) -> Poll<Crowded> {
        Pin::new(&mut self.taken_back).poll(cx).map(|_| Crowded)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.waiting().remove(self.number);
    }
}

impl Waiting {
    /// Takes shares back, the longest held first, until no more than that is taken. Says whether one
    /// request kept its own.
    fn fit(&mut self, most: usize, number: u64) -> bool {
        while self.bytes > most {
            let Some(longest) = self.requests.keys().next().copied() else {
                break;
            };
            self.remove(longest);
        }
        self.requests.contains_key(&number)
    }

    fn remove(&mut self, number: u64) {
        if let Some(request) = self.requests.remove(&number) {
            self.bytes = self.bytes.saturating_sub(request.bytes);
        }
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
