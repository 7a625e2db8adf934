//! Why a store did not do what was asked.

use thiserror::Error;

use crate::path::Path;
use crate::revision::Revision;

/// A failure of the store itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No room is left to write: the disk, a quota or a size limit refused it. Nothing of the
    /// batch was kept. Reads go on; writes work again once there is room. Readiness should be red.
    #[error("the store has no room left to write: free space on its disk")]
    Full,
    /// The store's own structure is damaged, or the file is no store.
    #[error("the store is damaged or no store at all: {detail}")]
    Corrupt {
        /// What the engine said.
        detail: String,
    },
    /// Made by a newer release.
    #[error("the store has schema {found}, this release reads up to {supported}")]
    TooNew {
        /// The schema's number in the store.
        found: i64,
        /// The newest that this release knows.
        supported: i64,
    },
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    InUse,
    /// The engine cannot read or write. After a failed write nobody knows what the operating
    /// system kept, so that an engine that says this to a commit may refuse all later ones until
    /// it is opened anew.
    #[error("the store failed: {detail}")]
    Failed {
        /// What the engine said.
        detail: String,
    },
    /// Readers were in the way for too long; to be tried again.
    #[error("the store is busy")]
    Busy,
    /// Reads stay older than what the change feed has already told.
    #[error("reads lag behind revision {floor}")]
    Behind {
        /// The revision that a read must show.
        floor: Revision,
    },
    /// The engine is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Why a batch was not answered with a revision.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// A precondition did not hold. Nothing of the batch was kept.
    #[error("`{path}` is not as the batch presumes")]
    Conflict {
        /// The first path of the batch whose precondition did not hold.
        path: Path,
    },
    /// The batch is kept, but this node's caches have not taken it in for too long. Whoever reads
    /// here may still meet what was before, as long as the node is fresh.
    #[error("the batch is kept at revision {revision}, but not applied to the caches")]
    Unapplied {
        /// Where it was kept.
        revision: Revision,
    },
    /// The engine failed. Nothing was kept, except that after [`StoreError::Failed`] and
    /// [`StoreError::Closed`] the outcome is unknown until the store is read again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What exceeds the limits that every engine shares.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// A value over 256 KiB.
    #[error("the value of `{path}` has {bytes} bytes, at most 262144 fit")]
    Value {
        /// Where it was to stand.
        path: Path,
        /// Its size.
        bytes: usize,
    },
    /// More than 100 changes (checks included) in a batch.
    #[error("a batch has at most 100 changes")]
    Changes,
    /// More than 1 MiB of paths and values in a batch.
    #[error("a batch has at most 1048576 bytes of paths and values")]
    Bytes,
    /// One path twice in a batch.
    #[error("`{path}` stands twice in one batch")]
    Twice {
        /// That path.
        path: Path,
    },
}
