//! What the trail and its store tell each other while a server runs: how far each of them is
//! durable.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use crate::{
    chain::{End, Position},
    head::Head,
};

/// How far the trail is on disk, and up to which revision its store is.
///
/// The writer advances the one, and commits to the store advance the other. Every header and
/// closing line states the store's revision; the store's [`Head`] states the trail's end.
#[derive(Debug)]
pub struct Frontier {
    stored: AtomicU64,
    synced: watch::Sender<End>,
}

impl Frontier {
    /// The frontier that a store's head states.
    pub fn new(head: &Head) -> Arc<Self> {
        Arc::new(Self {
            stored: AtomicU64::new(head.revision),
            synced: watch::Sender::new(head.chain.end),
        })
    }

    /// The newest revision that the store has kept.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// The store has kept this revision.
    pub fn set_stored(&self, revision: u64) {
        self.stored.store(revision, Ordering::Release);
    }

    /// How far the trail is on disk.
    pub fn synced(&self) -> End {
        *self.synced.borrow()
    }

    /// Whether the trail is on disk up to a place.
    pub fn is_synced(&self, at: Position) -> bool {
        at <= self.synced.borrow().at
    }

    /// How far the trail is on disk; notifies of progress.
    pub fn watch(&self) -> watch::Receiver<End> {
        self.synced.subscribe()
    }

    /// Sets this end, although another one was on disk: for a loss that was accepted.
    pub fn reset(&self, end: End) {
        self.synced.send_replace(end);
    }

    /// The trail is on disk up to here.
    pub(crate) fn set_synced(&self, end: End) {
        self.synced.send_if_modified(|synced| {
            let further = end.at > synced.at;
            if further {
                *synced = end;
            }
            further
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_does_not_go_back_by_itself() {
        let frontier = Frontier::new(&Head::newborn(0));
        let at = |length| Position { segment: 1, length };
        let end = |length| End {
            at: at(length),
            mac: [1; 32],
        };
        frontier.set_synced(end(9));
        frontier.set_synced(end(4));
        assert_eq!(frontier.synced(), end(9));
        assert!(frontier.is_synced(at(9)) && !frontier.is_synced(at(10)));
        frontier.reset(end(4));
        assert_eq!(frontier.synced(), end(4));
    }
}
