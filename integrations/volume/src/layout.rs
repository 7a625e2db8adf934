//! Where everything is in an image: fixed arithmetic, nothing is ever moved.
//!
//! ```text
//! superblock A │ superblock B │ journal region 0 │ journal region 1 │ group 0 │ group 1 │ …
//! ```
//!
//! A group is the two slots of a leaf page and the 100 blocks whose tags that page holds. The two slots of
//! a node of the tree are in front of the first group that the node covers, higher nodes first. So an image
//! grows at its end only, and what was never written takes no space.

/// Bytes of a block, and of a page of the tree.
pub const BLOCK_BYTES: usize = 4096;
/// [`BLOCK_BYTES`] as an offset.
pub(crate) const BLOCK: u64 = BLOCK_BYTES as u64;
/// Bytes of one copy of the superblock.
pub const SUPERBLOCK_BYTES: usize = 32 * 1024;
/// Blocks whose tags one leaf page holds.
pub const LEAF_BLOCKS: u64 = 100;
/// Pages below a node.
pub const FANOUT: u64 = 128;
/// The level of the root; leaf pages are level 0.
pub const ROOT_LEVEL: u8 = 4;
/// The most blocks of a volume, 100 TiB: what one root covers.
pub const MAX_BLOCKS: u64 = LEAF_BLOCKS * FANOUT.pow(ROOT_LEVEL as u32);
/// The least and the most bytes of a journal region.
pub const JOURNAL_BYTES: std::ops::RangeInclusive<u64> = 4 * BLOCK..=4 << 30;
/// The most blocks in one record of the journal.
pub const RECORD_BLOCKS: usize = 64;

/// The places of an image with journal regions of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    journal_bytes: u64,
}

impl Layout {
    /// The layout with two journal regions of so many bytes.
    pub const fn new(journal_bytes: u64) -> Self {
        Self { journal_bytes }
    }

    /// Bytes of a journal region.
    pub const fn journal_bytes(self) -> u64 {
        self.journal_bytes
    }

    /// The offset of a copy of the superblock, 0 or 1.
    pub fn superblock(copy: u8) -> u64 {
        u64::from(copy) * SUPERBLOCK_BYTES as u64
    }

    /// The offset of a journal region, 0 or 1.
    pub fn region(self, region: u8) -> u64 {
        2 * SUPERBLOCK_BYTES as u64 + u64::from(region) * self.journal_bytes
    }

    /// The most blocks that a record of this image's journal has.
    pub fn record_blocks(self) -> usize {
        let room = self.journal_bytes / BLOCK - 1;
        usize::try_from(room).map_or(RECORD_BLOCKS, |room| room.min(RECORD_BLOCKS))
    }

    /// The offset of a slot, 0 or 1, of a page of the tree.
    pub fn page(self, level: u8, index: u64, slot: u8) -> u64 {
        let group = index * FANOUT.pow(u32::from(level));
        let above = (level + 1..=ROOT_LEVEL)
            .filter(|above| starts_node(*above, group))
            .count() as u64;
        self.group(group) + (2 * above + u64::from(slot)) * BLOCK
    }

    /// The offset of a block.
    pub fn block(self, block: u64) -> u64 {
        let (group, within) = (block / LEAF_BLOCKS, block % LEAF_BLOCKS);
        self.page(0, group, 0) + (2 + within) * BLOCK
    }

    /// The bytes of an image whose volume has so many blocks.
    pub fn image_bytes(self, blocks: u64) -> u64 {
        match blocks.checked_sub(1) {
            Some(last) => self.block(last) + BLOCK,
            None => self.group(0),
        }
    }

    /// Where a group begins: behind all groups before it, and all nodes in front of those.
    fn group(self, group: u64) -> u64 {
        let nodes: u64 = (1..=ROOT_LEVEL)
            .map(|level| group.div_ceil(FANOUT.pow(u32::from(level))))
            .sum();
        self.region(2) + (group * (2 + LEAF_BLOCKS) + 2 * nodes) * BLOCK
    }
}

/// Whether the first group below a node of this level is this one.
fn starts_node(level: u8, group: u64) -> bool {
    group.is_multiple_of(FANOUT.pow(u32::from(level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_blocks_fill_the_image_without_gaps_or_overlaps() {
        let layout = Layout::new(16 * BLOCK);
        let groups = FANOUT * FANOUT + 3;
        let mut places = Vec::new();
        for group in 0..groups {
            for level in 0..=ROOT_LEVEL {
                if starts_node(level, group) {
                    let index = group / FANOUT.pow(u32::from(level));
                    places.extend([0, 1].map(|slot| layout.page(level, index, slot)));
                }
            }
            places.extend((0..LEAF_BLOCKS).map(|n| layout.block(group * LEAF_BLOCKS + n)));
        }
        places.sort_unstable();
        let first = layout.region(2);
        for (at, place) in (0..).zip(&places) {
            assert_eq!(*place, first + at * BLOCK);
        }
        let end = first + places.len() as u64 * BLOCK;
        assert_eq!(layout.image_bytes(groups * LEAF_BLOCKS), end);
    }

    #[test]
    fn the_largest_volume_has_a_hundred_tebibytes() {
        assert_eq!(MAX_BLOCKS * BLOCK, 100 << 40);
        let layout = Layout::new(*JOURNAL_BYTES.end());
        assert!(layout.image_bytes(MAX_BLOCKS) < i64::MAX as u64);
        assert_eq!(Layout::new(4 * BLOCK).record_blocks(), 3);
        assert_eq!(layout.record_blocks(), RECORD_BLOCKS);
    }
}
