//! The bounded pool, for operations that block their thread or compute for long
//! ([`Work`](crate::operation::Work)).
//!
//! While such an operation runs, the runtime serves other requests on another thread. The pool bounds
//! how many run at once; the others wait for their turn without holding a thread.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    thread,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task,
};

/// How many run at once for each processor: what blocks does not use it.
const FOR_EACH_PROCESSOR: usize = 4;

/// The pool.
#[derive(Debug)]
pub struct Pool {
    turns: Semaphore,
}

impl Default for Pool {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::new(processors * FOR_EACH_PROCESSOR)
    }
}

impl Pool {
    /// A pool in which so many run at once.
    pub fn new(most: usize) -> Self {
        Self {
            turns: Semaphore::new(most),
        }
    }

    /// Runs work when its turn comes. The work may block its thread.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        // Nobody closes the semaphore.
        let _turn = self.turns.acquire().await;
        let mut work = pin!(work);
        poll_fn(|cx| match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => task::block_in_place(|| work.as_mut().poll(cx)),
            // There is no other thread that could serve others.
            _ => work.as_mut().poll(cx),
        })
        .await
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
        assert_eq!(blocked.await.unwrap(), "served");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_run_at_once_than_the_pool_has_turns() {
        let pool = Arc::new(Pool::new(2));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all: Vec<_> = (0..20)
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
                    pool.run(work).await;
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn on_a_runtime_of_one_thread_work_runs_as_it_is() {
        assert_eq!(Pool::default().run(async { 7 }).await, 7);
    }
}
