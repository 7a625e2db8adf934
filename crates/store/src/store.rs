//! The one narrow trait that every engine implements.

use std::fmt;
use std::sync::Arc;

use crate::batch::Batch;
use crate::boxed::BoxFuture;
use crate::error::CommitError;
use crate::error::StoreError;
use crate::feed::Feed;
use crate::path::Path;
use crate::path::Prefix;
use crate::revision::Revision;
use crate::stamp::Stamp;

/// The most entries that one `range` answers.
pub const MAX_RANGE: usize = 1000;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub path: Path,
    /// When it was last written: what [`crate::batch::Precondition::At`] is compared with.
    pub revision: Revision,
    /// What was written.
    pub value: Vec<u8>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, revision) = (&self.path, self.revision);
        write!(f, "{path:?}@{revision} ({} bytes)", self.value.len())
    }
}

/// What was read, and the revision of the whole store that it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// Every change up to here is seen, and none later.
    pub at: Revision,
    /// What was read.
    pub value: T,
}

impl<T> Read<T> {
    /// The same read of something made from the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            at: self.at,
            value: make(self.value),
        }
    }
}

/// How an engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The newest revision.
    pub revision: Revision,
    /// Bytes that can still be written where the store lies, if the engine can tell. Readiness
    /// turns red while there still is some room, before writes fail.
    pub available_bytes: Option<u64>,
}

/// An ordered map from path to value under one revision counter.
///
/// Nothing above the trait may assume that it is the only writer: another server may stand behind
/// the same engine. Every future may be dropped; a commit that was begun may then still be kept.
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

    /// Keeps all of the batch, durably, and answers the revision at which it was kept; or nothing
    /// of it. Every entry it writes carries that revision. Any read begun after the answer shows
    /// it. A batch that writes nothing answers a revision at which its checks held.
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
