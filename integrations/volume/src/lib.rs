//! The block engine of encrypted volumes.
//!
//! A volume is one image file. It holds blocks of 4 KiB, each sealed with XAES-256-GCM; a journal, so that a
//! block and its tag change together; and a tree of keyed hashes over the tags, whose root is in the
//! superblock, so that no part of the image can be put back to an older state unnoticed. The engine knows
//! nothing of its front end, of the service that wraps its data key, or of file systems.
//!
//! A front end opens a volume with [`Open`], names the newest generation that it has noted down, and notes down
//! [`Volume::generation`] at once. It serves [`Volume::read`], [`Volume::write`], [`Volume::write_zeros`] and
//! [`Volume::discard`] at any offset from as many threads as it likes, answers a flush with [`Volume::flush`], and
//! has one thread in [`Volume::run_checkpoints`]. It calls [`Volume::checkpoint`] now and then, notes down the generation that
//! this returns, and ends with [`Volume::close`] or, when the key is lost, [`Volume::wipe`].
//!
//! `docs/formats.md` describes every byte, and `docs/decisions/0022` says why it is so.
#![forbid(unsafe_code)]

mod bytes;
pub mod disk;
mod error;
mod id;
pub mod journal;
pub mod layout;
mod seal;
pub mod superblock;
mod tree;
mod volume;

pub use error::Error;
pub use id::ImageId;
pub use seal::{Nonces, SystemNonces, commitment};
pub use superblock::{KeyInfo, Superblock};
pub use volume::{
    Usage, Volume,
    check::{CheckReport, Damage},
    copy::Copy,
    create::{Create, DEFAULT_JOURNAL_BYTES, create},
    open::{DEFAULT_CACHED_PAGES, Open},
};
