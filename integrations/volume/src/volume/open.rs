//! Opens volumes: chooses the superblock, replays the journal, and brings home what was in it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64},
};

use arc_swap::ArcSwapOption;
use keyward_crypto::secret::{SecretBytes, arena::Arena};
use parking_lot::{Condvar, Mutex, RwLock};

use super::{LOCKS, View, Volume};
use crate::{
    Error, ImageId,
    disk::Disk,
    journal::{flusher::Flusher, index::Index, log::Log, replay::replay},
    layout::Layout,
    seal::{Keys, Nonces, SystemNonces},
    superblock::{Superblock, read_copy},
    tree::Tree,
};

/// How a volume is opened.
#[derive(Debug)]
pub struct Open<'a> {
    /// The data key, 32 bytes.
    pub data_key: &'a SecretBytes,
    /// Where the keys are until they are wiped: 256 bytes.
    pub arena: &'a Arena,
    /// The volume that is expected, if it is known.
    pub volume_id: Option<ImageId>,
    /// The newest generation that was noted down elsewhere; an older image is refused. 0 refuses none.
    pub known_generation: u64,
    /// Open an older image all the same.
    pub accept_rollback: bool,
    /// By how much the generation goes up beyond the newest that is known, so that the images of a history that was left
    /// are older.
    pub advance: u64,
    /// Open a volume whose journal has lost records that had been flushed, without them and those that
    /// follow.
    pub accept_journal_loss: bool,
    /// How many pages of the tree, of about 5 KiB each, are kept in memory.
    pub cached_pages: usize,
    /// Where nonces come from.
    pub nonces: Arc<dyn Nonces>,
}

/// Pages of the tree that are kept unless another number is given: those of 1.6 GB, in 20 MiB.
pub const DEFAULT_CACHED_PAGES: usize = 4096;

impl<'a> Open<'a> {
    /// The usual way: nothing is known of the volume, and nothing unusual accepted.
    pub fn new(data_key: &'a SecretBytes, arena: &'a Arena) -> Self {
        Self {
            data_key,
            arena,
            volume_id: None,
            known_generation: 0,
            accept_rollback: false,
            advance: 0,
            accept_journal_loss: false,
            cached_pages: DEFAULT_CACHED_PAGES,
            nonces: Arc::new(SystemNonces),
        }
    }

    /// Opens the volume on a disk. What was flushed is there, whatever happened to the process that had it
    /// open before. The generation goes up.
    ///
    /// If the disk has no room, or fails, when the journal's content is brought home, the volume is open all
    /// the same: it can be read, and writes try again.
    ///
    /// # Errors
    /// When there is no superblock that is authentic under the key, the image holds another volume or is
    /// older than what is known, the journal has lost what had been flushed, or the disk fails.
    pub fn open(self, disk: Arc<dyn Disk>) -> Result<Volume, Error> {
        let Chosen {
            superblock,
            keys,
            bytes,
            damaged,
        } = self.choose(&*disk)?;
        if self.volume_id.is_some_and(|id| id != superblock.volume_id) {
            return Err(Error::OtherVolume {
                found: superblock.volume_id,
            });
        }
        if superblock.generation < self.known_generation && !self.accept_rollback {
            return Err(Error::RolledBack {
                found: superblock.generation,
                known: self.known_generation,
            });
        }
        let replayed = replay(&*disk, &keys, &superblock, self.accept_journal_loss)?;
        // Only from here on is anything written. Both copies must be good before what either of them
        // refers to is written over.
        for copy in [0, 1] {
            if read_copy(&*disk, copy)? != bytes {
                // The copy that was chosen may be only in memory, if its writer was killed. Until it is
                // durable, the other one is all there is after a power failure.
                disk.sync()?;
                disk.write_at(Layout::superblock(copy), &bytes)?;
            }
        }
        // What was read may not have been durable until now.
        disk.sync()?;
        let mut volume = self.volume(disk, keys, superblock, replayed.index, replayed.next);
        volume.repaired = damaged;
        volume.begin()?;
        Ok(volume)
    }

    fn volume(
        &self,
        disk: Arc<dyn Disk>,
        keys: Keys,
        mut superblock: Superblock,
        index: Index,
        next: u64,
    ) -> Volume {
        let layout = superblock.layout();
        // Generations that were accepted to be lost are not used again.
        let newest = superblock.generation.max(self.known_generation);
        superblock.generation = newest.saturating_add(self.advance);
        Volume {
            layout,
            volume_id: superblock.volume_id,
            seal_id: superblock.seal_id,
            nonces: Arc::clone(&self.nonces),
            keys: ArcSwapOption::from_pointee(keys),
            blocks: AtomicU64::new(superblock.blocks),
            generation: AtomicU64::new(superblock.generation),
            closed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            locks: (0..LOCKS).map(|_| RwLock::new(())).collect(),
            log: Mutex::new(Log::replayed(layout, superblock.journal, next)),
            flusher: Flusher::new(Arc::clone(&disk), next - 1),
            view: RwLock::new(View {
                active: Index::default(),
                frozen: (!index.is_empty()).then(|| Arc::new(index)),
                root: superblock.root,
            }),
            tree: Tree::new(Arc::clone(&disk), layout, self.cached_pages),
            committed: Mutex::new(superblock),
            due: Mutex::new(false),
            due_changed: Condvar::new(),
            repaired: Vec::new(),
            disk,
        }
    }

    /// The newest authentic copy of the superblock.
    fn choose(&self, disk: &dyn Disk) -> Result<Chosen, Error> {
        let mut best: Option<Chosen> = None;
        let mut damaged = Vec::new();
        let mut why = Error::NoSuperblock("there is none");
        for copy in [0, 1] {
            let bytes = read_copy(disk, copy)?;
            let superblock = match Superblock::parse(&bytes) {
                Ok(superblock) => superblock,
                Err(reason) => {
                    if matches!(why, Error::NoSuperblock(_)) {
                        why = Error::NoSuperblock(reason);
                    }
                    damaged.push(copy);
                    continue;
                }
            };
            let keys = Keys::derive(self.data_key, superblock.seal_id, self.arena)?;
            if !Superblock::is_authentic(&bytes, &keys) {
                why = Error::NotAuthentic;
                damaged.push(copy);
                continue;
            }
            let newer = |best: &Chosen| superblock.generation > best.superblock.generation;
            if best.as_ref().is_none_or(newer) {
                best = Some(Chosen {
                    superblock,
                    keys,
                    bytes,
                    damaged: Vec::new(),
                });
            }
        }
        let best = best.ok_or(why)?;
        Ok(Chosen { damaged, ..best })
    }
}

/// The copy of the superblock that counts.
struct Chosen {
    superblock: Superblock,
    keys: Keys,
    bytes: Vec<u8>,
    /// The copies that were not authentic, or none at all.
    damaged: Vec<u8>,
}
