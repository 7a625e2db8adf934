//! An open volume: blocks are read from where they were last written, and written to the journal.
//!
//! Locks are taken in this order: the committed superblock, the locks of blocks, the log, the view.

pub mod check;
mod checkpoint;
pub mod copy;
pub mod create;
pub mod open;
mod pieces;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwapOption, Guard};
use keyward_crypto::{
    mac,
    secret::{SecretBytes, arena::Arena},
};
use parking_lot::{Condvar, Mutex, RwLock};
use zeroize::Zeroize as _;

use crate::{
    Error, ImageId,
    disk::Disk,
    journal::{flusher::Flusher, index::Index, log::Log, record::Body},
    layout::{BLOCK, BLOCK_BYTES, Layout, RECORD_BLOCKS},
    seal::{Keys, Nonces},
    superblock::Superblock,
    tree::{Link, Tree},
};

/// How many locks the blocks share.
const LOCKS: u64 = 64;
/// Neighboring blocks that share a lock.
const EXTENT: u64 = RECORD_BLOCKS as u64;
/// The fewest items that the index of the journal may have.
const LEAST_ITEMS: u64 = 256;

/// An open volume. All methods can be called from many threads at the same time. One that is dropped without
/// being closed is as after a crash: what was flushed is safe.
pub struct Volume {
    disk: Arc<dyn Disk>,
    layout: Layout,
    volume_id: ImageId,
    seal_id: ImageId,
    nonces: Arc<dyn Nonces>,
    keys: ArcSwapOption<Keys>,
    blocks: AtomicU64,
    generation: AtomicU64,
    /// Whether the volume was closed. Final.
    closed: AtomicBool,
    /// Whether nothing may be appended: until the close that whoever holds `committed` has begun has failed,
    /// or for good. It is set with the log held.
    closing: AtomicBool,
    /// Held for reading while a block is read, and for writing while it changes.
    locks: Vec<RwLock<()>>,
    log: Mutex<Log>,
    flusher: Flusher,
    view: RwLock<View>,
    tree: Tree,
    /// The superblock on the disk. Whoever holds it is the only one who changes anything but the journal.
    committed: Mutex<Superblock>,
    /// Whether a full region waits to go home.
    due: Mutex<bool>,
    due_changed: Condvar,
    /// The copies of the superblock that were damaged when the volume was opened.
    repaired: Vec<u8>,
}

/// Where the newest version of each block is.
#[derive(Debug)]
struct View {
    /// What the active region of the journal has.
    active: Index,
    /// What is on its way home.
    frozen: Option<Arc<Index>>,
    /// All other blocks.
    root: Link,
}

/// Space, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What can be stored.
    pub size: u64,
    /// What was stored at the last checkpoint: blocks that were written and not discarded.
    pub stored: u64,
    /// What the image takes on its disk, with journal and tree.
    pub allocated: u64,
}

/// Whether a record was appended.
enum Appended {
    Done,
    /// There is no room in the region that begins with this record.
    Full(Option<u64>),
    /// Not until it is known whether the volume is closed.
    Closing,
}

impl Volume {
    /// The volume's id.
    pub fn id(&self) -> ImageId {
        self.volume_id
    }

    /// The volume's size in bytes.
    pub fn size(&self) -> u64 {
        self.blocks.load(Ordering::Acquire) * BLOCK
    }

    /// The generation of the superblock on the disk. Whoever opens the volume next may demand at least this
    /// one, if it was noted down elsewhere.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Space, as of the last checkpoint.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn usage(&self) -> Result<Usage, Error> {
        let stored = self.view.read().root.map_or(0, |child| child.count);
        Ok(Usage {
            size: self.size(),
            stored: stored * BLOCK,
            allocated: self.disk.allocated()?,
        })
    }

    /// Whether the volume has no block: nothing was written, or all of it was discarded and has gone home.
    pub fn is_empty(&self) -> bool {
        let view = self.view.read();
        view.root.is_none() && view.active.is_empty() && view.frozen.is_none()
    }

    /// Pages of the tree in memory, and items of the journal's index: what the volume's memory depends on.
    pub fn memory(&self) -> (usize, usize) {
        let view = self.view.read();
        let frozen = view.frozen.as_ref().map_or(0, |index| index.len());
        (self.tree.cached(), view.active.len() + frozen)
    }

    /// Fills a buffer from any offset. What was never written is zeros.
    ///
    /// # Errors
    /// When the range is not in the volume, the key is gone, a block or page is damaged, or the disk fails.
    /// The buffer then has no meaning.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let keys = self.keys()?;
        let result = self.read_range(&keys, offset, out);
        // What was opened while the key went away is not handed out.
        let result = result.and_then(|()| self.keys().map(|_| ()));
        if result.is_err() {
            out.zeroize();
        }
        result
    }

    /// Writes bytes at any offset. Blocks that are only partly covered are read first; nobody else reads or
    /// writes them meanwhile. Each block is written as a whole or not at all; a write that fails may have
    /// changed some of them.
    ///
    /// # Errors
    /// When the range is not in the volume, the key is gone, no room is left, or the disk fails.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.check_range(offset, bytes.len() as u64)?;
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let piece = self.piece(at, rest.len());
            let (now, later) = rest.split_at(piece);
            loop {
                let keys = self.keys()?;
                let lock = self.lock_of(at / BLOCK).write();
                let appended = self.write_piece(&keys, at, now)?;
                drop(lock);
                match appended {
                    Appended::Done => break,
                    Appended::Full(seen) => self.make_room(seen)?,
                    Appended::Closing => self.await_close(),
                }
            }
            at += piece as u64;
            rest = later;
        }
        Ok(())
    }

    /// Discards whole blocks in a range; what it covers only partly stays as it is. Discarded blocks read
    /// as zeros, and their space is given back at the next checkpoint.
    ///
    /// # Errors
    /// As for writes.
    pub fn discard(&self, offset: u64, length: u64) -> Result<(), Error> {
        self.check_range(offset, length)?;
        let first = offset.div_ceil(BLOCK);
        let count = ((offset + length) / BLOCK).saturating_sub(first);
        if count == 0 {
            return self.keys().map(|_| ());
        }
        loop {
            let keys = self.keys()?;
            let guards: Vec<_> = self.locks_of(first, count).map(RwLock::write).collect();
            let mut buffer = vec![0; BLOCK_BYTES];
            let appended = self.append(&keys, Body::Discard(first, count), &mut buffer)?;
            drop(guards);
            match appended {
                Appended::Done => return Ok(()),
                Appended::Full(seen) => self.make_room(seen)?,
                Appended::Closing => self.await_close(),
            }
        }
    }

    /// Makes a range zeros: whole blocks are discarded, what is left over on either side is written.
    ///
    /// # Errors
    /// As for writes.
    pub fn write_zeros(&self, offset: u64, length: u64) -> Result<(), Error> {
        self.check_range(offset, length)?;
        let end = offset + length;
        let first = offset.next_multiple_of(BLOCK).min(end);
        let last = (end / BLOCK * BLOCK).max(first);
        let zeros = [0; BLOCK_BYTES];
        let write = |from: u64, to: u64| {
            let length = usize::try_from(to - from).unwrap_or(BLOCK_BYTES);
            self.write(from, zeros.get(..length).unwrap_or(&zeros))
        };
        write(offset, first)?;
        self.discard(first, last - first)?;
        write(last, end)
    }

    /// Makes everything durable that was written before the call. Callers that wait at the same time share
    /// one sync of the disk.
    ///
    /// # Errors
    /// When the key is gone, or the disk fails: then nothing can be written until the volume is opened
    /// again.
    pub fn flush(&self) -> Result<(), Error> {
        self.keys()?;
        self.flusher.flush()?;
        self.keys().map(|_| ())
    }

    /// Wipes the keys: everything but [`usage`](Self::usage) fails from now on, and the locked memory is
    /// wiped as soon as the calls that use it at this moment have returned.
    pub fn wipe(&self) {
        self.keys.store(None);
        self.wake();
    }

    /// Whether this is the volume's data key: whoever has unwrapped it again wants to know. It does not wait
    /// for whatever else is done with the volume.
    ///
    /// # Errors
    /// When the volume's key is gone, this is no data key, or there is no locked memory for a moment.
    pub fn has_data_key(&self, data_key: &SecretBytes, arena: &Arena) -> Result<bool, Error> {
        let own = self.keys()?;
        let other = Keys::derive(data_key, self.seal_id, arena)?;
        let probe = self.volume_id.as_bytes();
        let (own, other) = (own.superblock_mac(probe), other.superblock_mac(probe));
        Ok(mac::equal(&own, &other))
    }

    /// The keys, unless they are gone or the volume was closed.
    fn keys(&self) -> Result<Guarded, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.live_keys()
    }

    /// The keys, unless they are gone.
    fn live_keys(&self) -> Result<Guarded, Error> {
        let guard = self.keys.load();
        if guard.is_some() {
            Ok(Guarded(guard))
        } else {
            Err(Error::KeyGone)
        }
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), Error> {
        let size = self.size();
        match offset.checked_add(length) {
            Some(end) if end <= size => Ok(()),
            _ => Err(Error::OutOfRange {
                offset,
                length,
                size,
            }),
        }
    }
}

/// Keys that stay in memory until this is dropped.
struct Guarded(Guard<Option<Arc<Keys>>>);

impl std::ops::Deref for Guarded {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        self.0.as_ref().expect("only made of keys")
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("id", &self.volume_id)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
