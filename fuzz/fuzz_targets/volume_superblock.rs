//! Any bytes are a superblock or are refused, and what a superblock says of itself is within its limits.
#![no_main]

use keyward_volume::{
    Superblock,
    layout::{JOURNAL_BYTES, MAX_BLOCKS, SUPERBLOCK_BYTES},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut copy = bytes.to_vec();
    copy.resize(SUPERBLOCK_BYTES, 0);
    let Ok(superblock) = Superblock::parse(&copy) else {
        return;
    };
    assert!(superblock.key.check().is_ok());
    assert!((1..=MAX_BLOCKS).contains(&superblock.blocks));
    assert!(JOURNAL_BYTES.contains(&superblock.journal_bytes));
    // Arithmetic on it never overflows.
    assert!(superblock.layout().image_bytes(superblock.blocks) > 2 * superblock.journal_bytes);
});
