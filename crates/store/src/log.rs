//! The recent changes of an engine whose writers are all in this process.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    boxed::BoxFuture,
    error::StoreError,
    feed::{Changed, Feed, Progress},
    revision::Revision,
};

/// How the change feed of an engine behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedOptions {
    /// How long a feed waits for changes before it reports that there are none.
    pub heartbeat: Duration,
    /// How many changes are kept. A reader that is further behind gets [`Progress::Compacted`].
    pub retained: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(500),
            retained: 65_536,
        }
    }
}

/// The approximate number of changes in one answer: batches are never split.
const ANSWER: usize = 1024;

/// A bounded memory of the last changes.
#[derive(Debug)]
pub(crate) struct Log {
    options: FeedOptions,
    recent: Mutex<Recent>,
    // Wakes the feeds. Sent after `recent` is updated.
    newest: watch::Sender<Revision>,
}

#[derive(Debug)]
struct Recent {
    changes: VecDeque<Changed>,
    // Every change after this one is in `changes`.
    floor: Revision,
    newest: Revision,
    closed: bool,
}

impl Log {
    pub(crate) fn new(options: FeedOptions, at: Revision) -> Arc<Self> {
        Arc::new(Self {
            options,
            recent: Mutex::new(Recent {
                changes: VecDeque::new(),
                floor: at,
                newest: at,
                closed: false,
            }),
            newest: watch::Sender::new(at),
        })
    }

    pub(crate) fn newest(&self) -> Revision {
        self.recent.lock().newest
    }

    /// Adds changes that are now durable. Must be called before any of them is acknowledged, and in
    /// the order of revisions.
    pub(crate) fn publish(&self, changes: Vec<Changed>, newest: Revision) {
        let mut recent = self.recent.lock();
        recent.changes.extend(changes);
        recent.newest = newest;
        let mut over = recent.changes.len().saturating_sub(self.options.retained);
        // Batches are removed as a whole, so that the floor is a revision of which no change is
        // left.
        while over > 0
            || recent
                .changes
                .front()
                .is_some_and(|c| c.revision == recent.floor)
        {
            let Some(gone) = recent.changes.pop_front() else {
                break;
            };
            recent.floor = gone.revision;
            over = over.saturating_sub(1);
        }
        drop(recent);
        self.newest.send_replace(newest);
    }

    /// Ends all feeds.
    pub(crate) fn close(&self) {
        self.recent.lock().closed = true;
        self.newest.send_modify(|_| {});
    }

    pub(crate) fn feed(self: &Arc<Self>, from: Revision) -> Box<dyn Feed> {
        Box::new(LogFeed {
            woken: self.newest.subscribe(),
            log: Arc::clone(self),
            at: from,
        })
    }

    /// The changes after `at`, if there are any.
    fn after(&self, at: Revision) -> Result<Option<Progress>, StoreError> {
        let recent = self.recent.lock();
        if recent.closed {
            return Err(StoreError::Closed);
        }
        // A reader that is ahead of the store has seen a different history.
        if at < recent.floor || at > recent.newest {
            return Ok(Some(Progress::Compacted {
                resume_at: recent.newest,
            }));
        }
        if at == recent.newest {
            return Ok(None);
        }
        let start = recent.changes.partition_point(|c| c.revision <= at);
        let mut changes: Vec<Changed> = Vec::new();
        let mut complete_to = recent.newest;
        for change in recent.changes.iter().skip(start) {
            if let Some(last) = changes.last()
                && changes.len() >= ANSWER
                && last.revision != change.revision
            {
                complete_to = last.revision;
                break;
            }
            changes.push(change.clone());
        }
        Ok(Some(Progress::Changes {
            changes,
            complete_to,
            caught_up: complete_to == recent.newest,
        }))
    }
}

#[derive(Debug)]
struct LogFeed {
    log: Arc<Log>,
    woken: watch::Receiver<Revision>,
    at: Revision,
}

impl Feed for LogFeed {
    fn next(&mut self) -> BoxFuture<'_, Result<Progress, StoreError>> {
        Box::pin(async move {
            // Marked as seen before the log is read, so that later changes wake it.
            self.woken.borrow_and_update();
            let progress = match self.log.after(self.at)? {
                Some(progress) => progress,
                None => {
                    let changed = self.woken.changed();
                    // Timed out or woken: the log knows what there is in both cases.
                    let _ = tokio::time::timeout(self.log.options.heartbeat, changed).await;
                    self.log.after(self.at)?.unwrap_or(Progress::Changes {
                        changes: Vec::new(),
                        complete_to: self.at,
                        caught_up: true,
                    })
                }
            };
            self.at = match &progress {
                Progress::Changes { complete_to, .. } => *complete_to,
                Progress::Compacted { resume_at } => *resume_at,
            };
            Ok(progress)
        })
    }
}
