//! Why a volume did not do what was asked.

use std::io;

use thiserror::Error;

/// A failure of a volume. None of them ever comes with wrong data.
#[derive(Debug, Error)]
pub enum Error {
    /// The data key was wiped. Nothing works until the volume is opened again.
    #[error("the volume's key is gone")]
    KeyGone,
    /// The volume was closed.
    #[error("the volume is closed")]
    Closed,
    /// The disk under the image is full. What was flushed is still there; writes work again once there is
    /// room.
    #[error("no room is left on the disk of the volume's image")]
    NoSpace,
    /// The disk under the image failed.
    #[error("the disk of the volume's image failed: {0}")]
    Io(io::Error),
    /// The disk failed to make writes durable, so that nobody knows which of them it kept. Only reads work
    /// until the volume is opened again, which finds out.
    #[error("the disk failed to keep what was written: open the volume again")]
    Failed,
    /// The bytes are not in the volume.
    #[error("{length} bytes at {offset} are not in a volume of {size} bytes")]
    OutOfRange {
        /// The first byte.
        offset: u64,
        /// How many bytes.
        length: u64,
        /// The volume's size in bytes.
        size: u64,
    },
    /// A block is not what was last written there.
    #[error("block {block} is damaged or was replaced with an older version")]
    BlockDamaged {
        /// The block's number.
        block: u64,
    },
    /// A page of the tree is not what was last written there.
    #[error("page {index} of level {level} is damaged or was replaced with an older version")]
    PageDamaged {
        /// The level: 0 for the pages with the tags.
        level: u8,
        /// The page's number in its level.
        index: u64,
    },
    /// Neither copy of the superblock can be read.
    #[error("neither copy of the superblock can be read: {0}")]
    NoSuperblock(&'static str),
    /// No copy of the superblock is authentic under this key.
    #[error("no copy of the superblock is authentic under this key")]
    NotAuthentic,
    /// The image holds another volume.
    #[error("the image holds another volume, {found}")]
    OtherVolume {
        /// The id of the volume in the image.
        found: crate::ImageId,
    },
    /// The image is older than what is known of the volume.
    #[error(
        "the image has generation {found}, but generation {known} is known: somebody has replaced the image with an old copy"
    )]
    RolledBack {
        /// The image's generation.
        found: u64,
        /// The newest known generation.
        known: u64,
    },
    /// The journal has lost a record that had been flushed.
    #[error("the journal is damaged: record {sequence} had been flushed and is not there")]
    JournalDamaged {
        /// The sequence number of the first lost record.
        sequence: u64,
    },
    /// Another process has the image open.
    #[error("the image is in use")]
    InUse,
    /// There is no locked memory left for the volume's keys.
    #[error("no locked memory is left for the volume's keys")]
    NoLockedMemory,
    /// An argument is not possible.
    #[error("{0}")]
    Argument(&'static str),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io(error),
        }
    }
}
