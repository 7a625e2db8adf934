//! The change feed: all changes since a revision, in order and without gaps.

use std::fmt;

use crate::{boxed::BoxFuture, error::StoreError, path::Path, revision::Revision};

/// A path has changed. Only a read tells its present value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The revision of the batch that changed it.
    pub revision: Revision,
    /// The path.
    pub path: Path,
    /// Whether the batch removed it.
    pub deleted: bool,
}

/// One answer of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All changes after the last answer up to `complete_to`, by ascending revision; batches are
    /// never split. An answer without changes is the heartbeat.
    Changes {
        /// What changed, oldest first.
        changes: Vec<Changed>,
        /// No more changes up to here will follow.
        complete_to: Revision,
        /// Whether `complete_to` is at least the newest revision that was acknowledged when `next`
        /// was called. If not, more changes are available at once.
        caught_up: bool,
    },
    /// The changes after the last answer are no longer known. The reader must forget everything;
    /// the feed continues after `resume_at`.
    Compacted {
        /// Where the feed continues.
        resume_at: Revision,
    },
}

/// A feed of changes; it never ends.
pub trait Feed: Send + fmt::Debug {
    /// Waits for changes or for the engine's heartbeat, whichever comes first. The future may be
    /// dropped, and `next` called again, without losing anything. After an error it may be called
    /// again, or a new feed started from the last `complete_to`.
    fn next(&mut self) -> BoxFuture<'_, Result<Progress, StoreError>>;
}
