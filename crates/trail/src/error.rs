//! Why the trail cannot be read or written.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::format::FORMAT;

/// Why the trail cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The operating system refused.
    #[error("the audit trail cannot be {doing} at {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A line does not match its MAC: the trail was edited, or written under another key.
    #[error("the audit trail was altered: line {line} of {} does not match its MAC", path.display())]
    Altered {
        /// The segment.
        path: PathBuf,
        /// The number of the header or closing line, from 1.
        line: u64,
    },
    /// A segment does not continue where the one before it ends.
    #[error("the audit trail was altered: {} does not continue where the segment before it ends", path.display())]
    Unlinked {
        /// The segment.
        path: PathBuf,
    },
    /// A segment ends before a place that was on disk.
    #[error("the audit trail was cut short: {} ends after {found} of at least {least} bytes", path.display())]
    Short {
        /// The segment.
        path: PathBuf,
        /// How many bytes of it are authentic.
        found: u64,
        /// How many there were.
        least: u64,
    },
    /// Nothing is left of a segment but its file.
    #[error("the audit trail was cut short: {} is empty", path.display())]
    Empty {
        /// The segment.
        path: PathBuf,
    },
    /// A segment differs from the one that was on disk.
    #[error("this is not the audit trail that the store knows: {} differs", path.display())]
    Other {
        /// The segment.
        path: PathBuf,
    },
    /// A segment is missing, though later ones were there.
    #[error("a part of the audit trail is missing: {}", path.display())]
    Missing {
        /// The segment.
        path: PathBuf,
    },
    /// It belongs to another store.
    #[error("{} belongs to another store's audit trail, or to another chain", path.display())]
    Foreign {
        /// The segment.
        path: PathBuf,
    },
    /// No segment can follow it.
    #[error("no segment can follow {}: move it away", path.display())]
    Last {
        /// The segment.
        path: PathBuf,
    },
    /// It has another version's format.
    #[error("{} has lines of format {found}; this version reads format {FORMAT}", path.display())]
    Format {
        /// The segment.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
}

impl TrailError {
    /// Whether something of the trail is gone or was changed.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Altered { .. }
            | Self::Unlinked { .. }
            | Self::Short { .. }
            | Self::Empty { .. }
            | Self::Other { .. }
            | Self::Missing { .. } => true,
            Self::Io { .. } | Self::Foreign { .. } | Self::Last { .. } | Self::Format { .. } => {
                false
            }
        }
    }
}

/// Turns an error of the system into one of the trail.
pub(crate) fn io_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TrailError {
    let path = path.to_owned();
    move |source| TrailError::Io {
        doing,
        path,
        source,
    }
}
