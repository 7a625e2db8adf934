//! What changed since: an endless answer in order and without gaps.

use std::fmt;

use crate::boxed::BoxFuture;
use crate::error::StoreError;
use crate::path::Path;
use crate::revision::Revision;

/// That a path changed. What stands there now is for a read to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The revision of the batch that changed it.
    pub revision: Revision,
    /// Where.
    pub path: Path,
    /// Whether the batch removed it.
    pub deleted: bool,
}

/// One answer of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// These are all the changes after the last answer up to `complete_to`, by ascending
    /// revision; batches are never split. Without any it is the heartbeat.
    Changes {
        /// What changed, oldest first.
        changes: Vec<Changed>,
        /// No change up to here is yet to come.
        complete_to: Revision,
        /// Whether `complete_to` is at least the newest revision that was acknowledged when
        /// `next` was called. If not, there is more to come at once.
        caught_up: bool,
    },
    /// The changes after the last answer are no longer known. The reader must forget what it
    /// holds; the feed goes on after `resume_at`.
    Compacted {
        /// Where the feed goes on.
        resume_at: Revision,
    },
}

/// An endless answer to `changes`.
pub trait Feed: Send + fmt::Debug {
    /// Waits for changes, or for the engine's heartbeat interval, whichever comes first. May be
    /// dropped and asked again without losing anything. After an error it may be asked again, or
    /// begun anew from the last `complete_to`.
    fn next(&mut self) -> BoxFuture<'_, Result<Progress, StoreError>>;
}
