//! Which blocks are in the journal, and where. Discarded blocks are runs, however long they are.

use std::collections::BTreeMap;

use super::record::Body;
use crate::{layout::BLOCK, seal::Sealed};

/// A block in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalBlock {
    /// The offset of its ciphertext in the image.
    pub(crate) offset: u64,
    /// What opens it.
    pub(crate) sealed: Sealed,
}

/// What the journal says of a block or a run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// It was written.
    Written(JournalBlock),
    /// These and the following ones, so many in all, were discarded.
    Discarded(u64),
}

/// The newest state of each block that the journal has. Items do not overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index(BTreeMap<u64, Item>);

impl Index {
    /// How many items there are; what one record adds is at most its blocks and two.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the journal has nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the journal has of a block: `Some(None)` if it was discarded.
    pub(crate) fn get(&self, block: u64) -> Option<Option<JournalBlock>> {
        let (first, item) = self.0.range(..=block).next_back()?;
        match item {
            Item::Written(place) => (*first == block).then_some(Some(*place)),
            Item::Discarded(length) => (block - first < *length).then_some(None),
        }
    }

    /// Notes down a written block.
    pub(crate) fn write(&mut self, block: u64, place: JournalBlock) {
        self.cut(block, block + 1);
        self.0.insert(block, Item::Written(place));
    }

    /// Notes down a run of discarded blocks.
    pub(crate) fn discard(&mut self, first: u64, length: u64) {
        self.cut(first, first + length);
        self.0.insert(first, Item::Discarded(length));
    }

    /// Notes down a record whose first ciphertext is at an offset.
    pub(crate) fn apply(&mut self, body: &Body, first: u64) {
        match body {
            Body::Discard(first, length) => self.discard(*first, *length),
            Body::Write(entries) => {
                for (at, (block, sealed)) in (0..).zip(entries) {
                    let place = JournalBlock {
                        offset: first + at * BLOCK,
                        sealed: *sealed,
                    };
                    self.write(*block, place);
                }
            }
        }
    }

    /// The items in the order of their blocks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Item)> {
        self.0.iter().map(|(first, item)| (*first, item))
    }

    /// Takes out all that is in a range; what a run has on either side of it stays.
    fn cut(&mut self, start: u64, end: u64) {
        if let Some((&first, &Item::Discarded(length))) = self.0.range(..start).next_back()
            && first + length > start
        {
            self.0.insert(first, Item::Discarded(start - first));
            if first + length > end {
                self.0.insert(end, Item::Discarded(first + length - end));
            }
        }
        while let Some((&first, &item)) = self.0.range(start..end).next() {
            self.0.remove(&first);
            if let Item::Discarded(length) = item
                && first + length > end
            {
                self.0.insert(end, Item::Discarded(first + length - end));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(offset: u64) -> JournalBlock {
        let sealed = Sealed {
            nonce: [0; 24],
            tag: [0; 16],
        };
        JournalBlock { offset, sealed }
    }

    proptest! {
        #[test]
        fn it_says_of_each_block_what_was_last_said(
            changes in prop::collection::vec((any::<bool>(), 0u64..60, 1u64..30), 0..60),
        ) {
            let mut index = Index::default();
            let mut expect: Vec<Option<Option<JournalBlock>>> = vec![None; 100];
            for (at, (writes, first, length)) in (0..).zip(changes) {
                let before = index.len();
                if writes {
                    index.write(first, place(at));
                    expect[first as usize] = Some(Some(place(at)));
                } else {
                    index.discard(first, length);
                    expect[first as usize..(first + length) as usize].fill(Some(None));
                }
                prop_assert!(index.len() <= before + 2);
                for (block, expect) in (0..).zip(&expect) {
                    prop_assert_eq!(index.get(block), *expect, "block {}", block);
                }
                let mut end = 0;
                for (first, item) in index.iter() {
                    prop_assert!(first >= end);
                    end = first + if let Item::Discarded(length) = item { *length } else { 1 };
                }
            }
        }
    }
}
