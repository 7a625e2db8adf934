//! Whether a connection has requests, and whether its answers are read. A silent connection is
//! closed: before its first byte, between two requests, and also if it only answers HTTP/2 pings.
//! So is one with an answer that makes no progress.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward_engine::request::Proof;

/// Counts the requests of one connection. No clock is read for a request.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    /// How many times the answers have been checked for progress.
    turn: AtomicUsize,
    /// Answers that have not been sent, by the turn in which they last made progress.
    unmoved: [AtomicUsize; TURNS],
}

/// The current turn, the one before, and the one before that, in which no answer may have made its
/// last progress.
const TURNS: usize = 3;

/// An answer that has not been sent; dropping this marks it as sent.
#[derive(Debug)]
pub struct Moving {
    activity: Activity,
    turn: AtomicUsize,
}

/// A request in progress; dropping this ends it.
#[derive(Debug)]
pub struct UnderWay(Activity);

impl Activity {
    /// Counts a request that begins.
    pub fn begin(&self) -> UnderWay {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Counts an answer that begins to be sent.
    pub fn leave(&self) -> Moving {
        let turn = self.0.turn.load(Ordering::Relaxed);
        self.unmoved(turn).fetch_add(1, Ordering::Relaxed);
        Moving {
            activity: self.clone(),
            turn: AtomicUsize::new(turn),
        }
    }

    /// How many answers last made progress in a turn.
    fn unmoved(&self, turn: usize) -> &AtomicUsize {
        let [first, second, third] = &self.0.unmoved;
        match turn % TURNS {
            0 => first,
            1 => second,
            _ => third,
        }
    }

    /// Waits until an answer has made no progress for at least `patience`, and at most twice that.
    pub async fn stalled(&self, patience: Duration) {
        loop {
            tokio::time::sleep(patience).await;
            let turn = self.0.turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            // Two turns ago: with three counters, that is the next one.
            let before_last = self.unmoved(turn.wrapping_add(1));
            if before_last.load(Ordering::Relaxed) > 0 {
                return;
            }
        }
    }

    /// Waits until no request has been in progress for at least `patience`, and at most twice that,
    /// or until the time for authenticating has passed and nobody has.
    pub async fn idle(&self, patience: Duration, proof: &Proof, to_prove: Duration) {
        let mut before = None;
        let mut open = Duration::ZERO;
        loop {
            let begun = self.0.begun.load(Ordering::Relaxed);
            let quiet = begun == self.0.ended.load(Ordering::Relaxed);
            if quiet && before == Some(begun) {
                return;
            }
            before = quiet.then_some(begun);
            tokio::time::sleep(patience).await;
            open = open.saturating_add(patience);
            if open >= to_prove && !proof.is_proven() {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Moving {
    /// Notes that a part of the answer has been sent.
    pub fn moved(&self) {
        let now = self.activity.0.turn.load(Ordering::Relaxed);
        let before = self.turn.swap(now, Ordering::Relaxed);
        if before != now {
            self.activity.unmoved(now).fetch_add(1, Ordering::Relaxed);
            self.forget(before);
        }
    }

    fn forget(&self, turn: usize) {
        self.activity.unmoved(turn).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.forget(self.turn.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_connection_is_idle_while_nothing_is_asked() {
        let (activity, proof) = (Activity::default(), Proof::default());
        proof.note(NonZeroU64::MIN);
        let idle = || activity.idle(PATIENCE, &proof, PATIENCE);
        idle().await;
        let request = activity.begin();
        drop(activity.begin());
        let waited = tokio::time::timeout(PATIENCE * 40, idle());
        assert!(waited.await.is_err(), "a request is under way");
        drop(request);
        idle().await;
    }

    #[tokio::test]
    async fn a_stranger_may_not_stay_whatever_is_asked() {
        let (activity, proof) = (Activity::default(), Proof::default());
        let _request = activity.begin();
        activity.idle(PATIENCE, &proof, PATIENCE * 3).await;
        proof.note(NonZeroU64::MIN);
        let idle = activity.idle(PATIENCE, &proof, PATIENCE);
        let waited = tokio::time::timeout(PATIENCE * 40, idle);
        assert!(waited.await.is_err(), "it is a client's");
    }
}
