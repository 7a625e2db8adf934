//! Whether anything is asked on a connection. One that is silent gives its place back: before its
//! first byte, between two requests, and also where HTTP/2's pings are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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

    /// Waits until no request has been under way for at least `patience`, and at most twice that.
    pub async fn idle(&self, patience: Duration) {
        let mut before = None;
        loop {
            let begun = self.0.begun.load(Ordering::Relaxed);
            let quiet = begun == self.0.ended.load(Ordering::Relaxed);
            if quiet && before == Some(begun) {
                return;
            }
            before = quiet.then_some(begun);
            tokio::time::sleep(patience).await;
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
        let activity = Activity::default();
        activity.idle(PATIENCE).await;
        let request = activity.begin();
        drop(activity.begin());
        let idle = tokio::time::timeout(PATIENCE * 40, activity.idle(PATIENCE));
        assert!(idle.await.is_err(), "a request is under way");
        drop(request);
        activity.idle(PATIENCE).await;
    }
}
