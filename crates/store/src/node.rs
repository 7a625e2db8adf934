//! One server's view of the store: which changes its caches have applied, and how fresh that is.
//!
//! INVARIANT: an acknowledged change is in force. This depends on the order in which a node applies
//! a change at revision R: it first raises its *floor* to R, then drops the changed units from
//! every cache, and then raises what it has *applied* to R. A commit is answered when its revision
//! is applied. A cache fill reads again if its read is older than the floor was when the fill
//! created its placeholder. The model in `tests/it/model.rs` tries every interleaving.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use keyward_types::time::{Clock, Monotonic};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::{
    error::{CommitError, StoreError},
    feed::{Feed, Progress},
    path::{Path, Prefix, Split},
    revision::Revision,
    sealed::{Record, Sealed, SealedBatch, SealedError},
};

/// A cache of the store's content, which forgets what has changed.
pub trait Invalidate: Send + Sync + fmt::Debug {
    /// Forgets the unit of a changed path, and makes all fills of it that are in progress be
    /// discarded.
    fn changed(&self, path: &Split<'_>);

    /// Forgets everything, and makes all fills that are in progress be discarded.
    fn clear(&self);
}

/// How a node keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// How long ago the node may have last heard "complete up to here" and still count as fresh.
    /// Must be much longer than the engine's heartbeat.
    pub staleness: Duration,
    /// How long [`Node::wait_fresh`] waits. Must be over two heartbeats: the first answer after a pause may
    /// have been asked for before it.
    pub fresh_within: Duration,
    /// How long a commit waits for the caches after it is durable.
    pub apply_within: Duration,
    /// How long to wait after the feed has failed.
    pub retry_after: Duration,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            staleness: Duration::from_secs(5),
            fresh_within: Duration::from_secs(5),
            apply_within: Duration::from_secs(10),
            retry_after: Duration::from_millis(100),
        }
    }
}

/// One server's view of the store.
#[derive(Debug)]
pub struct Node {
    sealed: Sealed,
    options: NodeOptions,
    view: Arc<View>,
    task: JoinHandle<()>,
}

/// State that the feed's task and the requests share.
#[derive(Debug)]
struct View {
    caches: Vec<Arc<dyn Invalidate>>,
    floor: AtomicU64,
    applied: watch::Sender<Revision>,
    // Monotonic milliseconds at which the last complete answer was asked for.
    heard: AtomicU64,
    // Wakes whoever waits for the node to be fresh, after `heard` has changed.
    fresher: Notify,
}

impl Node {
    /// Starts to follow the store for these caches, which must be empty.
    pub async fn start(
        sealed: Sealed,
        clock: Arc<dyn Clock>,
        options: NodeOptions,
        caches: Vec<Arc<dyn Invalidate>>,
    ) -> Result<Arc<Self>, StoreError> {
        let asked = clock.monotonic();
        let at = sealed.store().revision().await?;
        let feed = sealed.store().changes(at).await?;
        let view = Arc::new(View {
            caches,
            floor: AtomicU64::new(at.number()),
            applied: watch::Sender::new(at),
            heard: AtomicU64::new(asked.millis()),
            fresher: Notify::new(),
        });
        let follow = follow(
            sealed.clone(),
            clock,
            Arc::clone(&view),
            options.retry_after,
            feed,
        );
        Ok(Arc::new(Self {
            sealed,
            options,
            view,
            task: tokio::spawn(follow),
        }))
    }

    /// The store that it follows.
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// An empty batch, to be committed here.
    pub fn batch(&self) -> SealedBatch {
        self.sealed.batch()
    }

    /// Commits a batch and answers after this node's caches have applied it: whatever begins
    /// after the answer sees it. A conflict is answered after they have applied the change that caused
    /// it, so that whoever tries again does not meet it again.
    pub async fn commit(&self, batch: SealedBatch) -> Result<Revision, CommitError> {
        let revision = match self.sealed.commit(batch).await {
            Ok(revision) => revision,
            Err(CommitError::Conflict { path }) => {
                // If this fails, the conflict is only met once more.
                if let Ok(read) = self.sealed.get(&path).await {
                    self.applies(read.at).await;
                }
                return Err(CommitError::Conflict { path });
            }
            Err(error) => return Err(error),
        };
        if self.applies(revision).await {
            Ok(revision)
        } else {
            Err(CommitError::Unapplied { revision })
        }
    }

    /// Waits until the caches have applied a revision; answers whether they have in time.
    async fn applies(&self, revision: Revision) -> bool {
        let mut applied = self.view.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= revision);
        let reached = tokio::time::timeout(self.options.apply_within, reached).await;
        matches!(reached, Ok(Ok(_)))
    }

    /// Whether the node has heard "complete up to here" within the staleness bound. If not, its
    /// caches may be out of date, and it must not do cryptography with their content.
    pub fn is_fresh(&self, now: Monotonic) -> bool {
        u128::from(self.age(now)) <= self.options.staleness.as_millis()
    }

    /// Waits until the node is fresh, and answers whether it is.
    ///
    /// If the process was not running for a while (a paused machine, or one with far too much to do),
    /// nothing is wrong with the store: the node hears from it within two heartbeats.
    pub async fn wait_fresh(&self, clock: &dyn Clock) -> bool {
        let fresh = async {
            loop {
                // Listens before it looks, so that it misses nothing.
                let fresher = self.view.fresher.notified();
                if self.is_fresh(clock.monotonic()) {
                    return;
                }
                fresher.await;
            }
        };
        tokio::time::timeout(self.options.fresh_within, fresh)
            .await
            .is_ok()
    }

    /// Milliseconds since it asked for the last answer that was complete.
    pub fn age(&self, now: Monotonic) -> u64 {
        now.millis_since(Monotonic::from_millis(
            self.view.heard.load(Ordering::Acquire),
        ))
    }

    /// The revision up to which its caches are correct.
    pub fn applied(&self) -> Revision {
        *self.view.applied.borrow()
    }

    /// Notifies of changes each time the caches have applied some: for a worker that then reads the
    /// records it is responsible for.
    pub fn watch(&self) -> watch::Receiver<Revision> {
        self.view.applied.subscribe()
    }

    /// Every change after `from`, in order and without gaps: for readers that must see each of
    /// them, such as the relay of the audit outbox. It is a separate feed from that of the caches.
    pub async fn follow(&self, from: Revision) -> Result<Box<dyn Feed>, StoreError> {
        self.sealed.store().changes(from).await
    }

    /// Reads a record until the read is at least as new as the floor was at the beginning. To be
    /// called after the fill has created its placeholder in the cache, not before.
    pub(crate) async fn read_record(&self, path: &Path) -> Result<Option<Record>, SealedError> {
        let floor = self.floor();
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let answer = self.sealed.get(path).await?;
            if answer.at >= floor {
                return Ok(answer.value);
            }
        }
        Err(StoreError::Behind { floor }.into())
    }

    /// Like [`read_record`](Self::read_record), for the first `limit` records under a prefix.
    pub(crate) async fn read_below(
        &self,
        prefix: &Prefix,
        limit: usize,
    ) -> Result<Vec<Record>, SealedError> {
        let floor = self.floor();
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let answer = self.sealed.range(prefix, None, limit).await?;
            if answer.at >= floor {
                return Ok(answer.value);
            }
        }
        Err(StoreError::Behind { floor }.into())
    }

    fn floor(&self) -> Revision {
        Revision::new(self.view.floor.load(Ordering::SeqCst))
    }
}

/// How many times a replica that lags behind the feed is read.
const ATTEMPTS: u32 = 20;

/// Waits before every attempt but the first, longer each time.
async fn pause(attempt: u32) {
    const PAUSE: Duration = Duration::from_millis(5);
    if attempt > 0 {
        tokio::time::sleep(PAUSE * attempt).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl View {
    fn take_in(&self, progress: Progress, asked: Monotonic) {
        match progress {
            Progress::Changes {
                changes,
                complete_to,
                caught_up,
            } => {
                self.floor.fetch_max(complete_to.number(), Ordering::SeqCst);
                for change in &changes {
                    let path = change.path.split();
                    for cache in &self.caches {
                        cache.changed(&path);
                    }
                }
                self.rise_to(complete_to);
                if caught_up {
                    self.hear(asked);
                }
            }
            Progress::Compacted { resume_at } => {
                tracing::warn!(%resume_at, "too far behind the store: all caches are cleared");
                self.floor.fetch_max(resume_at.number(), Ordering::SeqCst);
                for cache in &self.caches {
                    cache.clear();
                }
                self.rise_to(resume_at);
                self.hear(asked);
            }
        }
    }

    fn hear(&self, asked: Monotonic) {
        self.heard.store(asked.millis(), Ordering::Release);
        self.fresher.notify_waiters();
    }

    fn rise_to(&self, revision: Revision) {
        self.applied.send_if_modified(|applied| {
            let higher = revision > *applied;
            *applied = (*applied).max(revision);
            higher
        });
    }
}

/// Applies changes for as long as the node exists.
async fn follow(
    sealed: Sealed,
    clock: Arc<dyn Clock>,
    view: Arc<View>,
    retry_after: Duration,
    mut feed: Box<dyn Feed>,
) {
    loop {
        // Taken before asking: an answer that took long does not make the node fresh.
        let asked = clock.monotonic();
        let failed = match feed.next().await {
            Ok(progress) => {
                view.take_in(progress, asked);
                continue;
            }
            Err(StoreError::Closed) => return,
            Err(error) => error,
        };
        tracing::warn!(error = %failed, "the store's changes cannot be followed");
        tokio::time::sleep(retry_after).await;
        let applied = *view.applied.borrow();
        if let Ok(anew) = sealed.store().changes(applied).await {
            feed = anew;
        }
    }
}
