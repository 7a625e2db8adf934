//! Why a store did not do what was asked.

use std::path::PathBuf;

use thiserror::Error;

use crate::{path::Path, revision::Revision};

/// A failure of the store itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// There is no room left: the disk, a quota or a size limit refused the write. Nothing of the
    /// batch was committed. Reads continue; writes work again once there is room. The server should
    /// report that it is not ready.
    #[error("the store has no room left to write: free space on its disk")]
    Full,
    /// The store's structure is damaged, or the file is not a store.
    #[error("the store is damaged, or the file is not a store: {detail}")]
    Corrupt {
        /// What the engine said.
        detail: String,
    },
    /// Beside the file lies the write-ahead log of another one. Nothing was changed.
    #[error(
        "{} belongs to another store or to another state of this one: if the store was restored from a backup, remove that file and the one ending in -shm beside it; otherwise bring back the store that they belong to",
        .log.display()
    )]
    ForeignLog {
        /// The log.
        log: PathBuf,
    },
    /// Written by a newer release.
    #[error(
        "the store has schema {found}, but this version reads only up to {supported}: use a newer version"
    )]
    TooNew {
        /// The schema's number in the store.
        found: i64,
        /// The newest that this release knows.
        supported: i64,
    },
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    InUse,
    /// The engine cannot read or write. After a failed write nobody knows what the operating system
    /// kept, so an engine that answers this to a commit may refuse all later ones until it is
    /// reopened.
    #[error("the store failed: {detail}")]
    Failed {
        /// What the engine said.
        detail: String,
    },
    /// Readers blocked it for too long; it can be retried.
    #[error("the store is busy")]
    Busy,
    /// Reads remain older than what the change feed has already reported.
    #[error("reads lag behind revision {floor}")]
    Behind {
        /// The revision that a read must show.
        floor: Revision,
    },
    /// The engine is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Why a commit has no revision.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// A precondition did not hold. Nothing of the batch was kept.
    #[error("`{path}` has changed since the batch was prepared")]
    Conflict {
        /// The first path of the batch whose precondition did not hold.
        path: Path,
    },
    /// The batch is committed, but this node's caches have not applied it for too long. Reads on
    /// this node may still see the old state, as long as the node is fresh.
    #[error("the batch was committed at revision {revision}, but is not applied to the caches yet")]
    Unapplied {
        /// Where it was kept.
        revision: Revision,
    },
    /// The engine failed. Nothing was committed; but after [`StoreError::Failed`] and
    /// [`StoreError::Closed`] the outcome is unknown until the store is read again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A limit of all engines that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// A value over 256 KiB.
    #[error("the value of `{path}` has {bytes} bytes, but at most 262144 are allowed")]
    Value {
        /// Its path.
        path: Path,
        /// Its size.
        bytes: usize,
    },
    /// More than 100 changes (checks included) in a batch.
    #[error("a batch can have at most 100 changes")]
    Changes,
    /// More than 1 MiB of paths and values in a batch.
    #[error("a batch can have at most 1048576 bytes of paths and values")]
    Bytes,
    /// One path twice in a batch.
    #[error("`{path}` occurs twice in one batch")]
    Twice {
        /// That path.
        path: Path,
    },
}
