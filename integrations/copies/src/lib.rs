//! Copies of images in other places: a directory, a bucket, or a stream.
//!
//! A copy is a [`Manifest`], and the chunks of the image that it lists by their SHA-256. Chunks that are in the
//! place already are not sent again, so that sending goes on where it was interrupted, and the next copy of the same
//! image takes only what has changed. Blocks that are nothing but zeros are not stored. The manifest is written last:
//! without it, there is no copy. `docs/formats.md` has the bytes.
//!
//! Nobody needs a key for any of this, and nothing is encrypted here: what is in an image is its own affair. So
//! whoever can write to a place can put another image there, with a manifest that fits. Of an encrypted volume, the
//! volume's own seals tell; of an image in plaintext, nothing does.
#![forbid(unsafe_code)]

mod bucket;
mod bytes;
mod choose;
mod directory;
mod error;
mod heard;
mod image;
mod manifest;
mod name;
mod objects;
mod packed;
mod pieces;
mod place;
mod receive;
mod send;
pub mod stream;
mod threads;
mod upkeep;

pub use choose::choose;
pub use error::Error;
pub use keyward_client::bucket::Options as BucketOptions;
pub use manifest::{About, Chunk, MAX_ABOUT_BYTES, Manifest};
pub use name::{CopyName, Hash, NotName, VolumeName};
pub use packed::{Packed, Runs};
pub use pieces::{MAX_IMAGE_BYTES, MAX_PIECES};
pub use place::Place;
pub use receive::{Received, receive};
pub use send::{Sent, Trust, send};
pub use upkeep::{Fault, Removed, Verified, list, manifest, remove, verify};

/// Is told how many bytes of how many are done, and answers whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;
