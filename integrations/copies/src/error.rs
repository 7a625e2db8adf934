//! Why a copy was not made, or not read.

use std::{fmt::Display, io};

use keyward_client::bucket::Failure as BucketFailure;
use thiserror::Error;

use crate::{
    bytes::VERSION,
    name::{CopyName, NotName},
};

/// A failure. Each message says what to do, where something can be done.
#[derive(Debug, Error)]
pub enum Error {
    /// A text is not a name of a copy.
    #[error(transparent)]
    Name(#[from] NotName),
    /// A text is not a place.
    #[error("`{place}` is not a place for copies: {why}")]
    Place {
        /// The text.
        place: String,
        /// What is wrong with it, and what would be right.
        why: &'static str,
    },
    /// The place has no such copy.
    #[error("there is no copy `{name}` in {place}")]
    Missing {
        /// The copy.
        name: CopyName,
        /// The place.
        place: String,
    },
    /// It is not known which copy is meant.
    #[error("{0}")]
    Choice(String),
    /// The place has a copy of that name.
    #[error("{place} has a copy `{name}` already: choose another name, or remove that copy first")]
    Exists {
        /// The copy.
        name: CopyName,
        /// The place.
        place: String,
    },
    /// A manifest is not whole, or none at all.
    #[error(
        "the manifest of {what} is damaged: {why}. Use another copy; if the place itself is a copy, bring the manifest again"
    )]
    Manifest {
        /// Of which copy.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A manifest or a stream is of another release.
    #[error("{what} has version {version}, and this release knows version {VERSION}: {}", advice(*version))]
    Version {
        /// What was read.
        what: String,
        /// Its version.
        version: u16,
    },
    /// A chunk is not in the place any more.
    #[error(
        "the chunk {path} of `{name}` is missing: use another copy, or send the volume again, if it still exists, and the chunk comes back"
    )]
    ChunkMissing {
        /// Its path, or the place and its key.
        path: String,
        /// The copy.
        name: CopyName,
    },
    /// A chunk is not what its name says.
    #[error(
        "the chunk {path} of `{name}` is damaged: use another copy; or send the volume again with --verify, if it still exists, and the chunk comes back"
    )]
    ChunkDamaged {
        /// Its path, or the place and its key.
        path: String,
        /// The copy.
        name: CopyName,
    },
    /// Chunks went away while a copy was made that needs them.
    #[error(
        "chunks of `{name}` were removed from {place} while it was sent: send it again, and see to it that only one machine at a time sends or removes copies of a volume"
    )]
    Overtaken {
        /// The copy.
        name: CopyName,
        /// The place.
        place: String,
    },
    /// A stream is not whole, or none at all.
    #[error("the stream is damaged: {0}. Nothing was kept: send it again")]
    Stream(&'static str),
    /// An image, or what is noted down with it, is more than a copy can have.
    #[error("{0}")]
    TooMuch(&'static str),
    /// Something exists already that was to be made.
    #[error("{0} exists already: choose another name, or remove it first")]
    ImageExists(String),
    /// A file is not one to write to.
    #[error("{path} is not a file of this user alone: remove it, or choose another name")]
    NotOurs {
        /// The file.
        path: String,
    },
    /// Somebody else is at it.
    #[error("{0}")]
    InUse(String),
    /// A disk is full.
    #[error(
        "there is no room on the disk of {what}{more}: make room and try again, it goes on where it stopped"
    )]
    Full {
        /// What was to be written.
        what: String,
        /// How much is missing, if it is known.
        more: String,
    },
    /// The system's or the bucket's reason.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The bucket cannot be used: why, and what to do.
    #[error("{0}")]
    Bucket(String),
    /// Whoever asked for it does not want it any more.
    #[error("it was stopped: try again, and it goes on from there")]
    Stopped,
}

/// What to do about what has another version.
const fn advice(version: u16) -> &'static str {
    if version < VERSION {
        "send the volume again, if it still exists; otherwise use the release that sent it"
    } else {
        "use a newer release"
    }
}

impl From<BucketFailure> for Error {
    fn from(failure: BucketFailure) -> Self {
        Self::bucket(failure)
    }
}

impl Error {
    /// Why a bucket cannot be used.
    pub(crate) fn bucket(failure: BucketFailure) -> Self {
        Self::Bucket(format!("{failure:#}"))
    }

    /// What the system said of something that was tried with a file.
    pub(crate) fn io(tried: &str, path: impl Display, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                what: path.to_string(),
                more: String::new(),
            },
            _ => Self::Io {
                what: format!("cannot {tried} {path}"),
                source,
            },
        }
    }
}
