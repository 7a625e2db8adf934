//! Whether anything is asked on a connection. One that is silent gives its place back: before its
//! first byte, between two requests, and also where HTTP/2's pings are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use keyward_services::front::Proof;

/// The requests of one connection, counted. No clock is read for a request.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request under way; dropping it ends it.
#[derive(Debug)]
pub struct UnderWay(Activity);

impl Activity {
    /// A request has begun.
    pub fn begin(&self) -> UnderWay {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Waits until no request has been under way for at least `patience`, and at most twice that; or
    /// until somebody should have proven who they are and nobody has.
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_connection_is_idle_while_nothing_is_asked() {
        let (activity, proof) = (Activity::default(), Proof::default());
        proof.note();
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
        proof.note();
        let idle = activity.idle(PATIENCE, &proof, PATIENCE);
        let waited = tokio::time::timeout(PATIENCE * 40, idle);
        assert!(waited.await.is_err(), "it is a client's");
    }
}
