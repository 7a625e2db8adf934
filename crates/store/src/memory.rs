//! The engine that keeps nothing on disk: for tests, and as a reference for the other engines.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use parking_lot::RwLock;

use crate::{
    batch::{Batch, BatchOperation, Precondition},
    boxed::BoxFuture,
    error::{CommitError, StoreError},
    feed::{Changed, Feed},
    log::{FeedOptions, Log},
    path::{Path, Prefix},
    revision::Revision,
    stamp::Stamp,
    store::{Entry, Health, MAX_RANGE, Read, Store},
};

/// A store in memory. It is lost when the process ends.
#[derive(Debug)]
pub struct Memory {
    map: RwLock<Map>,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Map {
    entries: BTreeMap<Path, (Revision, Vec<u8>)>,
    at: Revision,
    stamp: Option<Arc<dyn Stamp>>,
}

impl Memory {
    /// An empty store.
    pub fn new(options: FeedOptions) -> Self {
        Self {
            map: RwLock::default(),
            log: Log::new(options, Revision::default()),
        }
    }

    fn apply(&self, batch: Batch) -> Result<Revision, CommitError> {
        let mut map = self.map.write();
        for change in batch.changes() {
            let stands = map.entries.get(&change.path).map(|(revision, _)| *revision);
            if !change.precondition.holds(stands) {
                let path = change.path.clone();
                return Err(CommitError::Conflict { path });
            }
        }
        if !batch.is_write() {
            return Ok(map.at);
        }
        let revision = batch.revision_after(map.at);
        map.at = revision;
        let stamp = map.stamp.clone();
        let mut changed = Vec::with_capacity(batch.changes().len());
        for change in batch.into_changes() {
            let deleted = match change.operation {
                BatchOperation::Put(value) => {
                    if let Some(stamp) = &stamp {
                        stamp.put(&change.path, &value);
                    }
                    map.entries.insert(change.path.clone(), (revision, value));
                    false
                }
                BatchOperation::Delete => {
                    map.entries.remove(&change.path);
                    true
                }
                BatchOperation::Check => continue,
            };
            changed.push(Changed {
                revision,
                path: change.path,
                deleted,
            });
        }
        if let Some(stamp) = stamp {
            let (path, value) = stamp.entry(revision);
            map.entries.insert(path, (revision, value));
            stamp.settled(true);
        }
        // Still under the lock, so that the log gets the revisions in order.
        self.log.publish(changed, revision);
        Ok(revision)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(FeedOptions::default())
    }
}

impl Precondition {
    /// Whether the precondition holds for a path whose entry, if there is one, was last written at
    /// `stands`.
    pub(crate) fn holds(self, stands: Option<Revision>) -> bool {
        match self {
            Self::At(revision) => stands == Some(revision),
            Self::Absent => stands.is_none(),
            Self::Any => true,
        }
    }
}

impl Store for Memory {
    fn revision(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        Box::pin(async { Ok(self.map.read().at) })
    }

    fn get<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Read<Option<Entry>>, StoreError>> {
        Box::pin(async move {
            let map = self.map.read();
            let value = map.entries.get(path).map(|(revision, value)| Entry {
                path: path.clone(),
                revision: *revision,
                value: value.clone(),
            });
            Ok(Read { at: map.at, value })
        })
    }

    fn range<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Path>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Read<Vec<Entry>>, StoreError>> {
        Box::pin(async move {
            let map = self.map.read();
            let from = match after {
                Some(after) if after.as_str() >= prefix.as_str() => Bound::Excluded(after.as_str()),
                _ => Bound::Included(prefix.as_str()),
            };
            let value = map
                .entries
                .range::<str, _>((from, Bound::Unbounded))
                .take_while(|(path, _)| prefix.holds(path))
                .take(limit.min(MAX_RANGE))
                .map(|(path, (revision, value))| Entry {
                    path: path.clone(),
                    revision: *revision,
                    value: value.clone(),
                })
                .collect();
            Ok(Read { at: map.at, value })
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move { self.apply(batch) })
    }

    fn stamp(&self, stamp: Arc<dyn Stamp>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.map.write().stamp = Some(stamp);
            Ok(())
        })
    }

    fn changes(&self, from: Revision) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>> {
        Box::pin(async move { Ok(self.log.feed(from)) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, StoreError>> {
        Box::pin(async {
            Ok(Health {
                revision: self.map.read().at,
                available_bytes: None,
            })
        })
    }

    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
