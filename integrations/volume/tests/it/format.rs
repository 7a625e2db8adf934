//! The bytes of an image, compared with what they were.

use std::fmt::Write as _;

use expect_test::expect_file;
use keyward_crypto::digest::sha256;
use keyward_volume::layout::{BLOCK_BYTES, Layout, ROOT_LEVEL, SUPERBLOCK_BYTES};
use proptest::prelude::*;

use crate::world::{BLOCK, World, filled};

/// Lines of sixteen bytes, without those that are zeros.
fn hexdump(bytes: &[u8], out: &mut String) {
    for (at, line) in bytes.chunks(16).enumerate() {
        if line.iter().any(|byte| *byte != 0) {
            writeln!(out, "  {:04x} {}", at * 16, hex::encode(line)).unwrap();
        }
    }
}

fn dump(image: &[u8], layout: Layout, blocks: u64) -> String {
    let mut out = format!("image of {} bytes\n", image.len());
    let mut part = |name: String, offset: u64, length: usize, whole: bool| {
        let offset = offset as usize;
        let bytes = image.get(offset..offset + length).unwrap_or_default();
        if bytes.iter().all(|byte| *byte == 0) {
            return;
        }
        writeln!(out, "{name} at {offset}").unwrap();
        if whole {
            hexdump(bytes, &mut out);
        } else {
            writeln!(out, "  sha256 {}", hex::encode(sha256(bytes))).unwrap();
        }
    };
    for copy in 0..2 {
        let offset = Layout::superblock(copy);
        part(format!("superblock {copy}"), offset, SUPERBLOCK_BYTES, true);
    }
    for region in 0..2 {
        for page in 0..layout.journal_bytes() / BLOCK {
            let offset = layout.region(region) + page * BLOCK;
            let is_header = image[offset as usize..].starts_with(b"KWVRECRD");
            part(
                format!("journal {region} page {page}"),
                offset,
                BLOCK_BYTES,
                is_header,
            );
        }
    }
    for level in (0..=ROOT_LEVEL).rev() {
        for index in 0..blocks.div_ceil(100 * 128u64.pow(u32::from(level))) {
            for slot in 0..2 {
                let offset = layout.page(level, index, slot);
                part(
                    format!("level {level} page {index} slot {slot}"),
                    offset,
                    BLOCK_BYTES,
                    true,
                );
            }
        }
    }
    for block in 0..blocks {
        part(
            format!("block {block}"),
            layout.block(block),
            BLOCK_BYTES,
            false,
        );
    }
    out
}

#[test]
fn a_small_volume_has_the_bytes_that_it_had() {
    let mut world = World::new();
    world.key.wrapped = b"the wrapped data key".to_vec();
    let (disk, volume) = world.volume(150, 16);
    volume.write(0, &filled(1)).unwrap();
    volume
        .write(101 * BLOCK, &[filled(2), filled(3)].concat())
        .unwrap();
    volume.checkpoint().unwrap();
    volume.write(0, &filled(4)).unwrap();
    volume.discard(101 * BLOCK, 5 * BLOCK).unwrap();
    volume.flush().unwrap();
    volume.write(3 * BLOCK, &filled(5)).unwrap();
    let open = dump(&disk.bytes(), Layout::new(16 * BLOCK), 150);
    expect_file!["../golden/volume-v1-open.txt"].assert_eq(&open);
    volume.close().unwrap();
    let closed = dump(&disk.bytes(), Layout::new(16 * BLOCK), 150);
    expect_file!["../golden/volume-v1-closed.txt"].assert_eq(&closed);
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut page = [0; BLOCK_BYTES];
        page[..bytes.len()].copy_from_slice(&bytes);
        page[..12].copy_from_slice(b"KWVRECRD\0\x01\x01\0");
        let _ = keyward_volume::journal::record::Header::parse(&page);
        let mut superblock = vec![0; SUPERBLOCK_BYTES];
        superblock[..bytes.len()].copy_from_slice(&bytes);
        superblock[..12].copy_from_slice(b"KWVOLUME\0\x01\0\0");
        superblock[12..16].copy_from_slice(&500u32.to_be_bytes());
        prop_assert!(keyward_volume::Superblock::parse(&superblock).is_err());
    }
}
