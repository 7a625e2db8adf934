//! The workers: what the system itself owes keys and operators, without a caller.

pub mod counting;
pub mod health;
pub mod last_use;
pub mod relay;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use keyward_store::{
    boxed::BoxFuture,
    error::{CommitError, StoreError},
    node::Node,
    reader::Reader,
    sealed::SealedBatch,
};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{directory::ReadError, front::Front, server::Shared};

/// What a worker works with. An operation leaves its changes to the pipeline, which commits them
/// with their event; a worker has no caller and commits by itself.
#[derive(Clone, Debug)]
pub struct WorkerContext {
    shared: Arc<Shared>,
    node: Arc<Node>,
}

impl WorkerContext {
    /// The context of the workers of a server that commits to that node.
    pub fn new(shared: Arc<Shared>, node: Arc<Node>) -> Self {
        Self { shared, node }
    }

    /// What all requests share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What may be read of the store.
    pub fn reader(&self) -> &Reader {
        self.shared.directory().reader()
    }

    /// A batch that does nothing yet.
    pub fn batch(&self) -> SealedBatch {
        self.node.batch()
    }

    /// Commits a batch; whatever begins after the answer sees it.
    ///
    /// # Errors
    /// When a precondition does not hold, or the store cannot be written.
    pub async fn commit(&self, batch: SealedBatch) -> Result<(), CommitError> {
        self.node.commit(batch).await.map(|_| ())
    }

    /// Overwrites what deleted records left in the store's files.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        self.node.sealed().store().scrub().await
    }
}

/// A worker: what is done again and again.
pub struct Worker {
    period: Duration,
    round: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Worker {
    /// A worker that begins a round every so often.
    pub fn new<F: Future<Output = ()> + Send + 'static>(
        period: Duration,
        round: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            period,
            round: Box::new(move || Box::pin(round())),
        }
    }

    /// Works until `stop` says so.
    pub async fn work(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => (self.round)().await,
                _ = stop.changed() => return,
            }
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

/// All workers of a server: the engine's, and those of its APIs. `/readyz` turns red when the disk
/// has fewer free bytes than `least_free_bytes`.
///
/// # Errors
/// When what a worker starts from cannot be read.
pub async fn all(
    front: &Front,
    cx: &WorkerContext,
    least_free_bytes: u64,
) -> Result<Vec<Worker>, ReadError> {
    const LAST_USE: Duration = Duration::from_secs(10);
    const HEALTH: Duration = Duration::from_secs(5);
    const COUNTING: Duration = Duration::from_secs(300);
    let (noting, looking) = (Arc::clone(&cx.shared), Arc::clone(&cx.shared));
    let gathering = Arc::clone(&cx.shared);
    let mut workers = vec![
        Worker::new(LAST_USE, move || {
            let shared = Arc::clone(&noting);
            async move { last_use::write(&shared).await }
        }),
        Worker::new(HEALTH, move || {
            let shared = Arc::clone(&looking);
            async move { health::look(&shared, least_free_bytes).await }
        }),
        Worker::new(COUNTING, move || {
            let shared = Arc::clone(&gathering);
            async move { counting::count(&shared).await }
        }),
    ];
    for service in front.services().rows() {
        workers.extend(service.workers(cx.clone()).await?);
    }
    Ok(workers)
}
