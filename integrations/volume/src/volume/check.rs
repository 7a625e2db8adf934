//! Verifies a whole volume.

use super::{Guarded, Volume};
use crate::{
    Error,
    layout::{BLOCK_BYTES, FANOUT, LEAF_BLOCKS, ROOT_LEVEL},
    superblock::{Superblock, read_copy},
    tree::{Child, Node},
};

/// How many damages are listed one by one.
const LISTED: usize = 1000;

/// Something that is not what was last written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A copy of the superblock, 0 or 1. The next checkpoint repairs it.
    Superblock(u8),
    /// A page of the tree: its level and number. All blocks below it are lost.
    Page(u8, u64),
    /// A block.
    Block(u64),
}

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many pages of the tree were verified.
    pub pages: u64,
    /// How many blocks were verified.
    pub blocks: u64,
    /// How many blocks should be there.
    pub expected: u64,
    /// What is damaged: the first thousand.
    pub damaged: Vec<Damage>,
    /// How much is damaged.
    pub damages: u64,
    /// The copies of the superblock, 0 or 1, that were damaged when the volume was opened. Opening has repaired
    /// them from the other one. A power failure can leave one half written.
    pub repaired: Vec<u8>,
}

impl Volume {
    /// Verifies both copies of the superblock, every page of the tree and every block, after a checkpoint.
    /// Reads go on meanwhile; writes go on until the journal is full. `progress` gets how many blocks are
    /// done and how many there are, and says whether to go on.
    ///
    /// # Errors
    /// When the checkpoint fails, the key is gone, or the disk fails. Damage is no error.
    pub fn check(&self, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<CheckReport, Error> {
        self.keys()?;
        let mut committed = self.committed.lock();
        self.empty_journal(&mut committed)?;
        let mut report = CheckReport {
            repaired: self.repaired.clone(),
            ..CheckReport::default()
        };
        let keys = self.keys()?;
        for copy in [0, 1] {
            let bytes = read_copy(&*self.disk, copy)?;
            let same = Superblock::parse(&bytes).is_ok_and(|found| found == *committed);
            if !same || !Superblock::is_authentic(&bytes, &keys) {
                report.add(Damage::Superblock(copy));
            }
        }
        let root = committed.root;
        report.expected = root.map_or(0, |child| child.count);
        let mut walk = Walk {
            volume: self,
            report,
            progress,
        };
        if let Some(child) = root {
            walk.page(ROOT_LEVEL, 0, &child)?;
        }
        Ok(walk.report)
    }
}

impl CheckReport {
    fn add(&mut self, damage: Damage) {
        self.damages += 1;
        if self.damaged.len() < LISTED {
            self.damaged.push(damage);
        }
    }
}

struct Walk<'a> {
    volume: &'a Volume,
    report: CheckReport,
    progress: &'a mut dyn FnMut(u64, u64) -> bool,
}

impl Walk<'_> {
    /// Verifies a page and all below it; false if it is enough.
    fn page(&mut self, level: u8, index: u64, child: &Child) -> Result<bool, Error> {
        let keys = self.volume.keys()?;
        let node = match self.volume.tree.read(&keys, level, index, child) {
            Ok(node) => node,
            Err(Error::PageDamaged { level, index }) => {
                self.report.add(Damage::Page(level, index));
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        self.report.pages += 1;
        match node {
            Node::Inner(links) => {
                drop(keys);
                for (below, link) in (index * FANOUT..).zip(links) {
                    if let Some(child) = link
                        && !self.page(level - 1, below, &child)?
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Leaf(_, entries) => {
                let mut bytes = vec![0; entries.len() * BLOCK_BYTES];
                let first = index * LEAF_BLOCKS;
                self.volume
                    .disk
                    .read_at(self.volume.layout.block(first), &mut bytes)?;
                self.blocks(&keys, first, &entries, &bytes)
            }
        }
    }

    fn blocks(
        &mut self,
        keys: &Guarded,
        first: u64,
        entries: &[Option<crate::seal::Sealed>],
        bytes: &[u8],
    ) -> Result<bool, Error> {
        let mut plaintext = zeroize::Zeroizing::new([0; BLOCK_BYTES]);
        let blocks = entries.iter().zip(bytes.chunks_exact(BLOCK_BYTES));
        for (block, (entry, ciphertext)) in (first..).zip(blocks) {
            let Some(sealed) = entry else { continue };
            match keys.open_block(block, sealed, ciphertext, &mut *plaintext) {
                Ok(()) => self.report.blocks += 1,
                Err(Error::BlockDamaged { block }) => self.report.add(Damage::Block(block)),
                Err(error) => return Err(error),
            }
        }
        Ok((self.progress)(self.report.blocks, self.report.expected))
    }
}
