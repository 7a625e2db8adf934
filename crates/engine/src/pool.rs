//! The bounded pool, for operations that block their thread or compute for long
//! ([`Work`](crate::operation::Work)).
//!
//! While such an operation runs, the runtime serves other requests on another thread. The pool bounds
//! how many run at once; some wait for their turn without holding a thread, and the rest are turned away.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task,
};

/// How many run at once for each processor: what blocks does not use it.
const FOR_EACH_PROCESSOR: usize = 4;
/// How many may wait for each that runs. Whoever waits holds a turn of the server, so that an endless
/// line here would keep everybody else out.
const WAITING_FOR_EACH: usize = 4;

/// The pool.
#[derive(Debug)]
pub struct Pool {
    turns: Semaphore,
    /// How many run or wait.
    inside: AtomicUsize,
    most_inside: usize,
}

impl Default for Pool {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::new(processors * FOR_EACH_PROCESSOR)
    }
}

/// A place inside, given back when it is dropped.
struct Inside<'p>(&'p AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    /// A pool in which so many run at once.
    pub fn new(most: usize) -> Self {
        Self {
            turns: Semaphore::new(most),
            inside: AtomicUsize::new(0),
            most_inside: most.saturating_mul(1 + WAITING_FOR_EACH),
        }
    }

    /// Runs work when its turn comes; the work may block its thread. Answers none, without running it,
    /// if too many wait already.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let before = self.inside.fetch_add(1, Ordering::AcqRel);
        let _inside = Inside(&self.inside);
        if before >= self.most_inside {
            return None;
        }
        // Nobody closes the semaphore.
        let _turn = self.turns.acquire().await;
        let runtime = Handle::current();
        Some(match runtime.runtime_flavor() {
            // One thread from the beginning to the end: one for each poll would leave a trail of
            // threads behind, each with memory of its own.
            RuntimeFlavor::MultiThread => task::block_in_place(|| runtime.block_on(work)),
            // There is no other thread that could serve others.
            _ => work.await,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use tokio::sync::oneshot;

    use super::*;

    /// Would never end if the blocked thread were the only one that serves.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_are_served_while_one_blocks() {
        let pool = Arc::new(Pool::new(1));
        let (send, receive) = mpsc::channel();
        let (started, has_started) = oneshot::channel();
        let blocked = tokio::spawn({
            let pool = Arc::clone(&pool);
            let work = async move {
                started.send(()).unwrap();
                receive.recv().unwrap()
            };
            async move { pool.run(work).await }
        });
        let other = tokio::spawn(async move {
            has_started.await.unwrap();
            send.send("served").unwrap();
        });
        other.await.unwrap();
        assert_eq!(blocked.await.unwrap(), Some("served"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_run_at_once_than_the_pool_has_turns() {
        let pool = Arc::new(Pool::new(2));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all: Vec<_> = (0..10)
            .map(|_| {
                let (pool, running) = (Arc::clone(&pool), Arc::clone(&running));
                let most = Arc::clone(&most);
                tokio::spawn(async move {
                    let work = async {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        task::yield_now().await;
                        running.fetch_sub(1, Ordering::SeqCst);
                    };
                    pool.run(work).await
                })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.unwrap(), Some(()));
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn who_finds_the_line_too_long_is_turned_away_at_once() {
        let pool = Arc::new(Pool::new(1));
        let endless = |pool: Arc<Pool>| async move { pool.run(std::future::pending::<()>()).await };
        let line: Vec<_> = (0..5)
            .map(|_| tokio::spawn(endless(Arc::clone(&pool))))
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(pool.run(async { 7 }).await, None);
        for one in line {
            one.abort();
            assert!(one.await.unwrap_err().is_cancelled());
        }
        assert_eq!(pool.run(async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn on_a_runtime_of_one_thread_work_runs_as_it_is() {
        assert_eq!(Pool::default().run(async { 7 }).await, Some(7));
    }
}
