//! A store that counts what is read from it, and how often it is scrubbed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use keyward_store::{
    batch::Batch,
    boxed::BoxFuture,
    error::{CommitError, StoreError},
    feed::Feed,
    path::{Path, Prefix},
    revision::Revision,
    stamp::Stamp,
    store::{Entry, Health, Read, Store},
};

/// The store, and how often it was read.
#[derive(Debug)]
pub struct Watched {
    store: Arc<dyn Store>,
    reads: Arc<AtomicU64>,
    scrubs: Arc<AtomicU64>,
}

impl Watched {
    pub fn new(store: Arc<dyn Store>, reads: Arc<AtomicU64>, scrubs: Arc<AtomicU64>) -> Self {
        Self {
            store,
            reads,
            scrubs,
        }
    }
}

impl Store for Watched {
    fn revision(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        self.store.revision()
    }

    fn get<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Read<Option<Entry>>, StoreError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store.get(path)
    }

    fn range<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Path>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Read<Vec<Entry>>, StoreError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store.range(prefix, after, limit)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, CommitError>> {
        self.store.commit(batch)
    }

    fn stamp(&self, stamp: Arc<dyn Stamp>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.stamp(stamp)
    }

    fn changes(&self, from: Revision) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>> {
        self.store.changes(from)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, StoreError>> {
        self.store.probe()
    }

    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.scrubs.fetch_add(1, Ordering::SeqCst);
        self.store.scrub()
    }
}
