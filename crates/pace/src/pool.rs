//! The bounded pool, for operations that block their thread or compute for long
//! (`Work` in the engine's operations).
//!
//! While such an operation runs, the runtime serves other requests on another thread. The pool bounds how
//! many run at once; some wait for their turn without holding a thread, and the rest are refused.
//!
//! Operations that block do not use a processor, so many may run. Those that compute use one, for up to seconds: they
//! get at most half of the processors, and the other half remains for requests that do not compute. At most one
//! operation of each principal computes or waits here, so that principals with much to compute take turns.

use std::{
    collections::HashSet,
    future::Future,
    num::NonZeroU64,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use parking_lot::Mutex;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task,
};

/// How many run at once for each processor, which they do not use while they block.
const FOR_EACH_PROCESSOR: usize = 4;
/// How many may wait for each that runs. Each of them holds a turn of the server, so an endless queue
/// here would keep everybody else out.
const WAITING_FOR_EACH: usize = 4;
/// How many principals may wait to compute. Each holds the memory of its request.
const WAITING_TO_COMPUTE: usize = 16;

/// The pool.
#[derive(Debug)]
pub struct Pool {
    blocking: Line,
    computing: Line,
    /// Those who compute or wait for it.
    principals: Mutex<HashSet<NonZeroU64>>,
}

/// Places for one kind of work.
#[derive(Debug)]
struct Line {
    turns: Semaphore,
    /// How many run or wait.
    inside: AtomicUsize,
    most_inside: usize,
}

impl Default for Pool {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::new(processors * FOR_EACH_PROCESSOR, processors / 2)
    }
}

/// A place inside, given back when it is dropped.
struct Inside<'p>(&'p AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// That a principal computes, or waits for it, until it is dropped.
struct Computing<'p> {
    pool: &'p Pool,
    principal: NonZeroU64,
}

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.pool.principals.lock().remove(&self.principal);
    }
}

impl Pool {
    /// A pool in which so many block at once, and so many, but one at least, compute at once.
    pub fn new(blocking: usize, computing: usize) -> Self {
        let computing = computing.max(1);
        Self {
            blocking: Line::new(blocking, blocking.saturating_mul(WAITING_FOR_EACH)),
            computing: Line::new(computing, WAITING_TO_COMPUTE),
            principals: Mutex::default(),
        }
    }

    /// Runs work that may block its thread, when its turn comes. Returns `None`, without running it, if
    /// too many wait already.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.blocking.run(work).await
    }

    /// Runs work of a principal that computes, when its turn comes. Returns `None`, without running it,
    /// if the principal has work here already, or if too many wait.
    pub async fn compute<T>(
        &self,
        principal: NonZeroU64,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        if !self.principals.lock().insert(principal) {
            return None;
        }
        let _computing = Computing {
            pool: self,
            principal,
        };
        self.computing.run(work).await
    }
}

impl Line {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            turns: Semaphore::new(at_once),
            inside: AtomicUsize::new(0),
            most_inside: at_once.saturating_add(waiting),
        }
    }

    async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let before = self.inside.fetch_add(1, Ordering::AcqRel);
        let _inside = Inside(&self.inside);
        if before >= self.most_inside {
            return None;
        }
        // Nobody closes the semaphore.
        let _turn = self.turns.acquire().await;
        let runtime = Handle::current();
        Some(match runtime.runtime_flavor() {
            // One thread from beginning to end: with one for each poll, many threads would be left
            // behind, each with its own memory.
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
        let pool = Arc::new(Pool::new(1, 1));
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
        let pool = Arc::new(Pool::new(2, 1));
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
        let pool = Arc::new(Pool::new(1, 1));
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

    fn principal(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    /// Comes to the pool and stays there.
    async fn computes(pool: &Arc<Pool>, number: u64) -> task::JoinHandle<Option<()>> {
        let pool = Arc::clone(pool);
        let endless = std::future::pending::<()>();
        let one = tokio::spawn(async move { pool.compute(principal(number), endless).await });
        task::yield_now().await;
        one
    }

    #[tokio::test]
    async fn a_principal_computes_one_thing_at_a_time() {
        let pool = Arc::new(Pool::new(1, 2));
        let first = computes(&pool, 1).await;
        assert_eq!(pool.compute(principal(1), async { 7 }).await, None);
        assert_eq!(pool.compute(principal(2), async { 7 }).await, Some(7));
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(pool.compute(principal(1), async { 7 }).await, Some(7));
        assert!(pool.principals.lock().is_empty());
    }

    #[tokio::test]
    async fn those_who_compute_wait_for_each_other_and_for_nobody_who_blocks() {
        let pool = Arc::new(Pool::new(1, 1));
        let first = computes(&pool, 1).await;
        let second = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.compute(principal(2), async { 7 }).await }
        });
        task::yield_now().await;
        assert!(!second.is_finished());
        assert_eq!(pool.run(async { 7 }).await, Some(7));
        // So many may wait, and no more.
        let most = u64::try_from(WAITING_TO_COMPUTE).unwrap();
        let mut line = Vec::new();
        for number in 3..=most + 1 {
            line.push(computes(&pool, number).await);
        }
        assert_eq!(pool.compute(principal(most + 2), async { 7 }).await, None);
        first.abort();
        assert_eq!(second.await.unwrap(), Some(7));
        line.into_iter().for_each(|one| one.abort());
    }

    #[tokio::test]
    async fn on_a_runtime_of_one_thread_work_runs_as_it_is() {
        assert_eq!(Pool::default().run(async { 7 }).await, Some(7));
    }
}
