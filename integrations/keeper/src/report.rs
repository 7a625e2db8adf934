//! What a check has found, as it is sent from one process to another and shown.

use keyward_volume::{CheckReport, Damage};
use serde::{Deserialize, Serialize};

/// A check's result.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// How many blocks were verified.
    pub blocks: u64,
    /// How many pages of the tree.
    pub pages: u64,
    /// How many blocks should be there.
    pub expected: u64,
    /// How much is damaged.
    pub damages: u64,
    /// What is damaged: the first thousand.
    pub damaged: Vec<String>,
    /// What was damaged when the volume was opened, which repaired it.
    pub repaired: Vec<String>,
}

impl Report {
    /// The engine's report in words.
    pub fn new(report: &CheckReport) -> Self {
        Self {
            blocks: report.blocks,
            pages: report.pages,
            expected: report.expected,
            damages: report.damages,
            damaged: report.damaged.iter().copied().map(words).collect(),
            repaired: report.repaired.iter().copied().map(copy).collect(),
        }
    }
}

fn words(damage: Damage) -> String {
    match damage {
        Damage::Superblock(number) => copy(number),
        Damage::Page(level, index) => {
            format!("page {index} of level {level} of the tree, and with it all blocks below")
        }
        Damage::Block(block) => format!("block {block}, at byte {} of the volume", block * 4096),
    }
}

fn copy(number: u8) -> String {
    let name = if number == 0 { "A" } else { "B" };
    format!("copy {name} of the superblock")
}
