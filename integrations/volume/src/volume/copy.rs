//! Copies a volume to another disk, as it is at one moment.

use std::sync::Arc;

use keyward_crypto::secret::{SecretBytes, arena::Arena};

use super::{
    Volume,
    create::{finish, first_session, prepare},
};
use crate::{
    Error, ImageId,
    disk::Disk,
    layout::{BLOCK_BYTES, FANOUT, LEAF_BLOCKS, ROOT_LEVEL},
    seal::{Keys, Sealed},
    superblock::{KeyInfo, Superblock},
    tree::{Child, Node, Tree, update::Update},
};

/// Pages of the copy's tree that are kept in memory.
const CACHED_PAGES: usize = 64;

/// What the copy is to be.
#[derive(Debug)]
pub struct Copy<'a> {
    /// Its id, which no other volume may ever have.
    pub volume_id: ImageId,
    /// About its data key.
    pub key: KeyInfo,
    /// A new data key, 32 bytes, to seal every block again. Without it, the ciphertext is copied, and the
    /// copy has the data key of the original.
    pub data_key: Option<&'a SecretBytes>,
    /// Where a new data key's keys are while the volume is copied.
    pub arena: &'a Arena,
}

/// Leaf pages of copies note down this generation, whatever that of the superblock is: so two copies have the same
/// bytes where nothing was written between them.
const LEAF_GENERATION: u64 = 1;

impl Volume {
    /// Copies the volume to an empty disk, as it is now, after a checkpoint. Every block is verified on the
    /// way, and nothing is opened that cannot be. Reads go on meanwhile; writes go on until the journal is
    /// full. The copy is closed and has generation 1; until it is complete, its disk holds no volume.
    ///
    /// # Errors
    /// When an argument is not possible, the checkpoint fails, something is damaged, the key is gone, or a
    /// disk fails.
    pub fn copy_to(&self, disk: &Arc<dyn Disk>, copy: &Copy<'_>) -> Result<(), Error> {
        self.copy(disk, Some(copy))
    }

    /// The same, but the copy *is* the volume: it has the same id, data key and generation, and so can take the
    /// place of an image that is lost. The volume itself goes on with a newer generation, so that the copy is older
    /// than it, even if nothing is written any more.
    ///
    /// # Errors
    /// As for [`copy_to`](Self::copy_to).
    pub fn back_up_to(&self, disk: &Arc<dyn Disk>) -> Result<(), Error> {
        self.copy(disk, None)
    }

    fn copy(&self, disk: &Arc<dyn Disk>, other: Option<&Copy<'_>>) -> Result<(), Error> {
        if let Some(other) = other {
            other.key.check()?;
        }
        self.keys()?;
        let mut committed = self.committed.lock();
        self.empty_journal(&mut committed)?;
        let data_key = other.and_then(|other| Some((other, other.data_key?)));
        let mut superblock = Superblock {
            volume_id: other.map_or(self.volume_id, |other| other.volume_id),
            seal_id: data_key.map_or(self.seal_id, |(other, _)| other.volume_id),
            generation: other.map_or(committed.generation, |_| 1),
            clean: true,
            blocks: committed.blocks,
            journal_bytes: committed.journal_bytes,
            key: other.map_or(&committed.key, |other| &other.key).clone(),
            root: None,
            journal: first_session(&*self.nonces),
        };
        if other.is_none() {
            let next = committed.following()?;
            let keys = self.keys()?;
            self.commit(&keys, &mut committed, next)?;
        }
        prepare(&**disk, &superblock)?;
        let new_keys = match data_key {
            Some((other, data_key)) => {
                Some(Keys::derive(data_key, superblock.seal_id, other.arena)?)
            }
            None => None,
        };
        let tree = Tree::new(Arc::clone(disk), superblock.layout(), CACHED_PAGES);
        let own_keys = self.keys()?;
        let keys = new_keys.as_ref().unwrap_or(&own_keys);
        let mut copying = Copying {
            volume: self,
            tree: &tree,
            new_keys: new_keys.as_ref(),
            update: Update::new(&tree, keys, None, LEAF_GENERATION),
        };
        if let Some(child) = committed.root {
            copying.page(ROOT_LEVEL, 0, &child)?;
        }
        (superblock.root, _) = copying.update.finish()?;
        disk.sync()?;
        finish(&**disk, keys, &superblock)
    }
}

struct Copying<'a> {
    volume: &'a Volume,
    tree: &'a Tree,
    new_keys: Option<&'a Keys>,
    update: Update<'a>,
}

impl Copying<'_> {
    fn page(&mut self, level: u8, index: u64, child: &Child) -> Result<(), Error> {
        let keys = self.volume.keys()?;
        match self.volume.tree.read(&keys, level, index, child)? {
            Node::Inner(links) => {
                for (below, link) in (index * FANOUT..).zip(links) {
                    if let Some(child) = link {
                        self.page(level - 1, below, &child)?;
                    }
                }
                Ok(())
            }
            Node::Leaf(_, entries) => {
                let first = index * LEAF_BLOCKS;
                let mut bytes = vec![0; entries.len() * BLOCK_BYTES];
                self.volume
                    .disk
                    .read_at(self.volume.layout.block(first), &mut bytes)?;
                self.blocks(&keys, first, &entries, &mut bytes)
            }
        }
    }

    fn blocks(
        &mut self,
        keys: &Keys,
        first: u64,
        entries: &[Option<Sealed>],
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let mut plaintext = zeroize::Zeroizing::new([0; BLOCK_BYTES]);
        // Neighbors are written at once.
        let mut run = Vec::new();
        let mut run_start = 0;
        let blocks = entries.iter().zip(bytes.chunks_exact_mut(BLOCK_BYTES));
        for (block, (entry, bytes)) in (first..).zip(blocks) {
            let Some(sealed) = entry else { continue };
            keys.open_block(block, sealed, bytes, &mut *plaintext)?;
            let sealed = match self.new_keys {
                None => *sealed,
                Some(keys) => {
                    bytes.copy_from_slice(&*plaintext);
                    keys.seal_block(block, self.volume.nonces.draw(), bytes)?
                }
            };
            self.update.set(block, sealed)?;
            let home = self.tree.layout.block(block);
            if home != run_start + run.len() as u64 {
                self.write(run_start, &run)?;
                run.clear();
                run_start = home;
            }
            run.extend_from_slice(bytes);
        }
        self.write(run_start, &run)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if !bytes.is_empty() {
            self.tree.disk.write_at(offset, bytes)?;
        }
        Ok(())
    }
}
