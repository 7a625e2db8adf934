//! What a volume must hold, whatever happened.

use std::sync::Arc;

use keyward_volume::layout::BLOCK_BYTES;

/// What a block held, and when: numbers go up with each change of any block.
#[derive(Clone, Debug)]
struct Version {
    number: u64,
    bytes: Arc<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Block {
    /// What was last flushed, then all that was written after it.
    versions: Vec<Version>,
    /// What reads must show.
    current: Arc<Vec<u8>>,
}

/// The blocks.
#[derive(Clone, Debug)]
pub struct Model {
    blocks: Vec<Block>,
    number: u64,
    zeros: Arc<Vec<u8>>,
    /// Whether any write has failed, so that it may or may not have taken place.
    pub uncertain: bool,
}

impl Model {
    pub fn new(blocks: u64) -> Self {
        let mut model = Self {
            blocks: Vec::new(),
            number: 0,
            zeros: Arc::new(vec![0; BLOCK_BYTES]),
            uncertain: false,
        };
        model.grow(blocks);
        model
    }

    pub fn len(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub fn grow(&mut self, blocks: u64) {
        let version = Version {
            number: 0,
            bytes: Arc::clone(&self.zeros),
        };
        let block = Block {
            current: Arc::clone(&version.bytes),
            versions: vec![version],
        };
        self.blocks.resize(blocks as usize, block);
    }

    /// The blocks that a range of bytes touches.
    pub fn touched(offset: u64, length: u64) -> std::ops::Range<u64> {
        let block = BLOCK_BYTES as u64;
        offset / block..(offset + length).div_ceil(block)
    }

    /// A change of bytes that may take place; `None` for zeros.
    pub fn attempt(&mut self, offset: u64, length: u64, bytes: Option<&[u8]>) -> Vec<Arc<Vec<u8>>> {
        let mut made = Vec::new();
        for block in Self::touched(offset, length) {
            let start = block * BLOCK_BYTES as u64;
            let from = offset.max(start);
            let to = (offset + length).min(start + BLOCK_BYTES as u64);
            let mut whole = self.blocks[block as usize].current.to_vec();
            let place = &mut whole[(from - start) as usize..(to - start) as usize];
            match bytes {
                Some(bytes) => {
                    let part = &bytes[(from - offset) as usize..(to - offset) as usize];
                    place.copy_from_slice(part);
                }
                None => place.fill(0),
            }
            self.number += 1;
            let bytes = Arc::new(whole);
            made.push(Arc::clone(&bytes));
            self.blocks[block as usize].versions.push(Version {
                number: self.number,
                bytes,
            });
        }
        made
    }

    /// The change took place.
    pub fn done(&mut self, offset: u64, length: u64, made: &[Arc<Vec<u8>>]) {
        for (block, bytes) in Self::touched(offset, length).zip(made) {
            self.blocks[block as usize].current = Arc::clone(bytes);
        }
    }

    /// The change failed: some of it may have taken place, and this is what a block shows now.
    pub fn found(&mut self, block: u64, bytes: &[u8], made: &Arc<Vec<u8>>) -> Result<(), String> {
        let state = &mut self.blocks[block as usize];
        if *bytes == **made {
            state.current = Arc::clone(made);
        } else if *bytes != **state.current {
            return Err(format!("block {block} is neither as before nor as written"));
        }
        Ok(())
    }

    /// What a block must show.
    pub fn current(&self, block: u64) -> &[u8] {
        &self.blocks[block as usize].current
    }

    /// All that was written has been flushed.
    pub fn flushed(&mut self) {
        for block in &mut self.blocks {
            let mut last = block.versions.pop().unwrap();
            last.bytes = Arc::clone(&block.current);
            block.versions = vec![last];
        }
    }

    /// The volume was opened after a crash and shows this.
    pub fn recovered(&mut self, found: &[Vec<u8>]) -> Result<(), String> {
        for (number, (block, bytes)) in self.blocks.iter().zip(found).enumerate() {
            if !block
                .versions
                .iter()
                .any(|version| **version.bytes == **bytes)
            {
                return Err(format!(
                    "block {number} is neither what was last flushed nor what was written after it; it begins {:02x?}, and could be {:02x?}",
                    &bytes[..16],
                    block
                        .versions
                        .iter()
                        .map(|v| &v.bytes[..16])
                        .collect::<Vec<_>>()
                ));
            }
        }
        // Changes are lost from the end only: there is a change up to which all are there.
        let least = self
            .blocks
            .iter()
            .map(|block| block.versions[0].number)
            .max();
        let is_prefix = |last: u64| {
            self.blocks.iter().zip(found).all(|(block, bytes)| {
                let version = block
                    .versions
                    .iter()
                    .rfind(|version| version.number <= last);
                version.is_some_and(|version| **version.bytes == **bytes)
            })
        };
        if !self.uncertain && !(least.unwrap_or(0)..=self.number).any(is_prefix) {
            return Err("what is there is not all that was written up to some change".to_owned());
        }
        for (block, bytes) in self.blocks.iter_mut().zip(found) {
            self.number += 1;
            block.current = Arc::new(bytes.clone());
            block.versions = vec![Version {
                number: self.number,
                bytes: Arc::clone(&block.current),
            }];
        }
        self.uncertain = false;
        Ok(())
    }
}
