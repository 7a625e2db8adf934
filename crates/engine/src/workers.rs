//! The workers: what the system itself does for keys and operators, without a caller.

pub mod counting;
pub mod health;
pub mod last_use;
pub mod relay;

use std::{fmt, sync::Arc, time::Duration};

use keyward_store::{
    boxed::BoxFuture,
    error::{CommitError, StoreError},
    node::Node,
    reader::Reader,
    sealed::SealedBatch,
};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{
    audit::service_event::{self, ServiceEvent},
    counts::CountedKind,
    directory::ReadError,
    fault::Internal,
    front::Front,
    server::Shared,
    service::Services,
};

/// What a worker uses. An operation leaves its changes to the pipeline, which commits them with
/// their event; a worker has no caller and commits itself. It borrows this for a round, and cannot
/// keep it.
#[derive(Debug)]
pub struct WorkerContext {
    shared: Arc<Shared>,
    services: Arc<Services>,
    node: Arc<Node>,
}

impl WorkerContext {
    /// The context of the workers of a server that commits to that node.
    pub fn new(front: &Front, node: Arc<Node>) -> Self {
        Self {
            shared: Arc::clone(front.shared()),
            services: front.shared_services(),
            node,
        }
    }

    /// The APIs that the server answers.
    pub(crate) fn services(&self) -> &Services {
        &self.services
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

    /// Commits a batch; everything that begins after the answer sees it.
    ///
    /// # Errors
    /// When a precondition does not hold, the store cannot be written, or the batch writes to the outbox.
    pub async fn commit(&self, batch: SealedBatch) -> Result<(), NotCommitted> {
        service_event::check_untold(&batch)?;
        Ok(self.node.commit(batch).await.map(|_| ())?)
    }

    /// Commits a batch with the event of what it does to a resource.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and when the batch has no room for the event.
    pub async fn commit_with(
        &self,
        mut batch: SealedBatch,
        event: &ServiceEvent,
    ) -> Result<(), NotCommitted> {
        service_event::check_untold(&batch)?;
        event.put(&mut batch, self.shared.clock.now())?;
        Ok(self.node.commit(batch).await.map(|_| ())?)
    }

    /// Overwrites the remains of deleted records in the store's files.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        self.node.sealed().store().scrub().await
    }
}

/// Why a worker's batch is not committed.
#[derive(Debug, thiserror::Error)]
pub enum NotCommitted {
    /// A precondition does not hold, or the store cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Its events are not as they should be.
    #[error("{}", .0.chain())]
    Event(Internal),
}

impl From<Internal> for NotCommitted {
    fn from(internal: Internal) -> Self {
        Self::Event(internal)
    }
}

/// What a worker does in a round.
type Round = dyn for<'c> Fn(&'c WorkerContext) -> BoxFuture<'c, ()> + Send + Sync;

/// A worker: what is done again and again.
pub struct Worker {
    period: Duration,
    round: Box<Round>,
}

impl Worker {
    /// A worker that begins a round every so often.
    pub fn new(
        period: Duration,
        round: impl for<'c> Fn(&'c WorkerContext) -> BoxFuture<'c, ()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            period,
            round: Box::new(round),
        }
    }

    /// Works until `stop` says so.
    pub async fn work(self, cx: Arc<WorkerContext>, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => (self.round)(&cx).await,
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
    let services = front.services().rows();
    let kinds = services.iter().flat_map(|service| service.api().counted);
    let kinds: Arc<[CountedKind]> = kinds.copied().collect();
    let mut workers = vec![
        Worker::new(LAST_USE, |cx| Box::pin(last_use::write(&cx.shared))),
        Worker::new(HEALTH, move |cx| {
            Box::pin(health::look(&cx.shared, least_free_bytes))
        }),
        Worker::new(COUNTING, move |cx| {
            let kinds = Arc::clone(&kinds);
            Box::pin(async move { counting::count(&cx.shared, &kinds).await })
        }),
    ];
    for service in services {
        workers.extend(service.workers(cx).await?);
    }
    Ok(workers)
}
