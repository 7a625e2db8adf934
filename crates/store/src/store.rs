//! The one narrow trait that every engine implements.

use std::{fmt, sync::Arc};

use crate::{
    batch::Batch,
    boxed::BoxFuture,
    error::{CommitError, StoreError},
    feed::Feed,
    path::{Path, Prefix},
    revision::Revision,
    stamp::Stamp,
};

/// The most entries that one `range` answers.
pub const MAX_RANGE: usize = 1000;

/// A value and its path.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path.
    pub path: Path,
    /// When it was last written: what [`crate::batch::Precondition::At`] is compared with.
    pub revision: Revision,
    /// The value.
    pub value: Vec<u8>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, revision) = (&self.path, self.revision);
        write!(f, "{path:?}@{revision} ({} bytes)", self.value.len())
    }
}

/// What was read, and the revision of the whole store at which it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// It shows every change up to here, and none after.
    pub at: Revision,
    /// What was read.
    pub value: T,
}

impl<T> Read<T> {
    /// Maps the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            at: self.at,
            value: make(self.value),
        }
    }
}

/// The health of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The newest revision.
    pub revision: Revision,
    /// Bytes that can still be written to the store's disk, if the engine can tell. The server
    /// reports that it is not ready while there is still some room, before writes fail.
    pub available_bytes: Option<u64>,
}

/// An ordered map from path to value under one revision counter.
///
/// Users of the trait must not assume that they are the only writer: another server may use the
/// same store. Every future may be dropped; a commit that has begun may then still take effect.
pub trait Store: Send + Sync + fmt::Debug {
    /// The newest revision that a read would show.
    fn revision(&self) -> BoxFuture<'_, Result<Revision, StoreError>>;

    /// The entry at `path`, if any.
    fn get<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Read<Option<Entry>>, StoreError>>;

    /// The first `limit` entries (at most [`MAX_RANGE`], whatever is asked) whose paths begin
    /// with `prefix` and come after `after`, in the order of their paths, all as of one revision.
    fn range<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Path>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Read<Vec<Entry>>, StoreError>>;

    /// Commits the whole batch durably, or nothing of it, and answers the revision. Every entry
    /// that it writes has that revision. Every read that begins after the answer shows it. For a
    /// batch that writes nothing, it answers a revision at which its checks held.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, CommitError>>;

    /// Has every transaction from now on write what this makes. A second one replaces the first.
    fn stamp(&self, stamp: Arc<dyn Stamp>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Every change after `from`, in order and without gaps, for as long as the feed is asked.
    fn changes(&self, from: Revision) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>>;

    /// Tries what a write needs and tells how the engine is. An error is what a commit would meet.
    fn probe(&self) -> BoxFuture<'_, Result<Health, StoreError>>;

    /// Leaves nothing of deleted or overwritten values in what the engine has on disk: free
    /// space in its files, and its journal. Answers when that is durable.
    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
