//! Damaged and exchanged bytes: all found, never wrong data.

use std::sync::Arc;

use keyward_volume::{
    Damage, Error, Open, Volume,
    layout::{BLOCK_BYTES, Layout, SUPERBLOCK_BYTES},
};

use crate::{
    sim::{Dice, Sim},
    world::{BLOCK, World, block, filled},
};

const BLOCKS: u64 = 500;
const PAGES: u64 = 64;
const LAYOUT: Layout = Layout::new(PAGES * BLOCK);
/// How many corruptions there are, unless `KEYWARD_CORRUPTIONS` says otherwise.
const CORRUPTIONS: u64 = 1000;

/// A volume whose blocks 0 to 299 have gone home, and 200 to 220 were written again and flushed, which the
/// last record in the journal knows.
fn image(world: &World) -> Vec<u8> {
    let (disk, volume) = world.volume(BLOCKS, PAGES);
    for number in 0..300 {
        volume.write(number * BLOCK, &filled(number + 1)).unwrap();
    }
    volume.checkpoint().unwrap();
    for number in 200..=220 {
        volume
            .write(number * BLOCK, &filled(number + 1000))
            .unwrap();
    }
    volume.flush().unwrap();
    volume.write(221 * BLOCK, &filled(1221)).unwrap();
    drop(volume);
    disk.bytes()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the test runs is said in the environment, as to proptest"
)]
fn corruptions() -> u64 {
    let count = std::env::var("KEYWARD_CORRUPTIONS");
    count.map_or(CORRUPTIONS, |count| count.parse().unwrap())
}

fn expected(number: u64) -> u64 {
    match number {
        200..=221 => number + 1000,
        0..=299 => number + 1,
        _ => 0,
    }
}

/// Everything that can be read is right; how many blocks cannot.
fn damaged(volume: &Volume) -> u64 {
    let mut damaged = 0;
    for number in 0..BLOCKS {
        match block(volume, number) {
            // The last record had not been flushed.
            Ok(bytes) if number == 221 => {
                assert!(bytes == filled(1221) || bytes == filled(222));
            }
            Ok(bytes) => assert!(bytes == filled(expected(number)), "block {number} is wrong"),
            Err(Error::BlockDamaged { .. } | Error::PageDamaged { .. }) => damaged += 1,
            Err(error) => panic!("block {number}: {error}"),
        }
    }
    damaged
}

#[test]
fn a_thousand_corruptions_are_found_and_none_gives_wrong_data() {
    let world = World::new();
    let image = image(&world);
    let count = corruptions();
    let used: Vec<usize> = (0..image.len() / BLOCK_BYTES)
        .filter(|page| {
            image[page * BLOCK_BYTES..][..BLOCK_BYTES]
                .iter()
                .any(|byte| *byte != 0)
        })
        .collect();
    let (mut refused, mut lost, mut without) = (0, 0, 0);
    for number in 0..count {
        let mut dice = Dice(number);
        let mut bytes = image.clone();
        // A bit, a few bytes, a sector of zeros, or a sector of another place.
        let page = used[dice.below(used.len() as u64) as usize];
        let sector = page * BLOCK_BYTES + dice.below(8) as usize * 512;
        match dice.below(4) {
            0 => bytes[sector + dice.below(512) as usize] ^= 1 << dice.below(8),
            1 => {
                let at = sector + dice.below(500) as usize;
                bytes[at..at + 12]
                    .iter_mut()
                    .for_each(|byte| *byte = dice.roll() as u8);
            }
            2 => bytes[sector..sector + 512].fill(0),
            _ => {
                let other = used[dice.below(used.len() as u64) as usize] * BLOCK_BYTES;
                bytes.copy_within(other..other + 512, sector);
            }
        }
        let disk = Arc::new(Sim::of(bytes));
        match world.open(&disk) {
            // The only part without which a volume cannot be opened at all.
            Err(Error::JournalDamaged { .. } | Error::PageDamaged { .. }) => refused += 1,
            Err(error) => panic!("corruption {number}: {error}"),
            Ok(volume) => match damaged(&volume) {
                0 => without += 1,
                _ => {
                    let report = volume.check(&mut |_, _| true);
                    assert!(report.is_err() || report.unwrap().damages > 0);
                    lost += 1;
                }
            },
        }
    }
    // Without effect are those in the copy of the superblock that is not needed, in slots that are not
    // current, in records that have gone home and in the last record.
    let share = [refused, lost, without].map(|part| part * 100 / count);
    assert!(
        share[0] >= 1 && share[1] >= 40 && share[2] >= 10,
        "{share:?}"
    );
}

/// Where each corruption must be found, one kind after the other.
#[test]
fn each_live_byte_that_changes_is_found_where_it_is() {
    let world = World::new();
    let image = image(&world);
    let open = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = image.clone();
        change(&mut bytes);
        let disk = Arc::new(Sim::of(bytes));
        let opened = world.open(&disk);
        (disk, opened)
    };
    // Any byte of a block.
    for at in [0, 17, 4095] {
        let (_, volume) = open(&|bytes| bytes[LAYOUT.block(7) as usize + at] ^= 0x10);
        let volume = volume.unwrap();
        assert!(matches!(
            block(&volume, 7),
            Err(Error::BlockDamaged { block: 7 })
        ));
        assert_eq!(damaged(&volume), 1);
        let report = volume.check(&mut |_, _| true).unwrap();
        assert_eq!(report.damaged, [Damage::Block(7)]);
    }
    // The tag of a block, in a leaf page that recovery does not need: the page goes, with its hundred
    // blocks. Which slot is current is found out by trying both.
    let leaf = |at: usize| {
        let slots = [0, 1].map(|slot| {
            let (_, volume) = open(&|bytes| {
                bytes[LAYOUT.page(0, 1, slot) as usize + at] ^= 1;
            });
            volume.map(|volume| damaged(&volume)).unwrap()
        });
        slots.iter().sum::<u64>()
    };
    for at in [0, 8, 20, 95, 96, 135, 4095] {
        assert_eq!(leaf(at), 100, "byte {at} of a leaf page");
    }
    // One copy of the superblock: the other is used, and the damaged one repaired.
    for copy in [0, 1] {
        for at in [0, 9, 20, 60, 100, 200, 300, SUPERBLOCK_BYTES - 1] {
            let (disk, volume) = open(&|bytes| bytes[copy * SUPERBLOCK_BYTES + at] ^= 1);
            assert_eq!(damaged(&volume.unwrap()), 0, "copy {copy}, byte {at}");
            let bytes = disk.bytes();
            let (a, b) = bytes[..2 * SUPERBLOCK_BYTES].split_at(SUPERBLOCK_BYTES);
            assert_eq!(a, b);
        }
    }
    let both = open(&|bytes| {
        [40, SUPERBLOCK_BYTES + 40]
            .iter()
            .for_each(|at| bytes[*at] ^= 1)
    });
    assert!(matches!(both.1, Err(Error::NotAuthentic)));
    let both = open(&|bytes| bytes[..2 * SUPERBLOCK_BYTES].fill(0));
    assert!(matches!(both.1, Err(Error::NoSuperblock(_))));
}

/// The page of the journal where the record stands that writes this block.
fn record_of(image: &[u8], number: u64) -> usize {
    let journal = LAYOUT.region(0) as usize..LAYOUT.region(2) as usize;
    let found = journal.step_by(BLOCK_BYTES).filter(|at| {
        image[*at..].starts_with(b"KWVRECRD") && image[at + 120..at + 128] == number.to_be_bytes()
    });
    // The newest is the one with the highest sequence number.
    found
        .max_by_key(|at| image[at + 32..at + 40].to_vec())
        .unwrap()
}

#[test]
fn a_damaged_record_that_had_been_flushed_is_no_torn_end() {
    let world = World::new();
    let image = image(&world);
    for (number, at) in [
        (200, 5),
        (200, 100),
        (210, 130),
        (220, 3000),
        (215, BLOCK_BYTES + 9),
    ] {
        let mut bytes = image.clone();
        bytes[record_of(&image, number) + at] ^= 4;
        let disk = Arc::new(Sim::of(bytes.clone()));
        let refused = world.open(&disk);
        assert!(
            matches!(refused, Err(Error::JournalDamaged { .. })),
            "{number} {refused:?}"
        );
        assert_eq!(disk.bytes(), bytes, "a refusal writes nothing");
        let accepted = Open {
            accept_journal_loss: true,
            ..world.how()
        };
        let volume = accepted.open(Arc::clone(&disk) as Arc<_>).unwrap();
        let shown = block(&volume, number).unwrap();
        assert_eq!(shown, filled(number + 1), "as it was at the checkpoint");
        assert_eq!(block(&volume, 199).unwrap(), filled(200));
    }
    // The last record had not been flushed, as far as anybody can tell.
    let mut bytes = image.clone();
    bytes[record_of(&image, 221) + BLOCK_BYTES] ^= 4;
    let volume = world.open(&Arc::new(Sim::of(bytes))).unwrap();
    assert_eq!(block(&volume, 221).unwrap(), filled(222));
    assert_eq!(damaged(&volume), 0);
}

/// Puts parts of an image back to what they were one or more checkpoints ago.
#[test]
fn any_part_that_is_put_back_to_an_older_state_is_found() {
    let world = World::new();
    let (disk, volume) = world.volume(BLOCKS, PAGES);
    let mut states = Vec::new();
    for round in 1..=4 {
        for number in 0..120 {
            volume
                .write(number * BLOCK, &filled(round * 1000 + number))
                .unwrap();
        }
        volume.checkpoint().unwrap();
        states.push(disk.bytes());
    }
    let known = volume.close().unwrap();
    let image = disk.bytes();
    let page = |level, index| {
        let from = LAYOUT.page(level, index, 0) as usize;
        from..from + 2 * BLOCK_BYTES
    };
    let one = LAYOUT.block(5) as usize..LAYOUT.block(5) as usize + BLOCK_BYTES;
    let leaf_and_blocks = page(0, 0).start..LAYOUT.block(99) as usize + BLOCK_BYTES;
    let parts = [
        ("a block", one),
        ("a leaf page", page(0, 0)),
        ("a leaf page with its blocks", leaf_and_blocks),
        ("the page above", page(1, 0)),
        ("the page above that", page(2, 0)),
        ("the root page", page(4, 0)),
        (
            "all pages and blocks",
            LAYOUT.region(2) as usize..image.len(),
        ),
    ];
    for (name, part) in parts {
        // The state of two checkpoints ago has the same slots.
        for old in &states[..2] {
            let mut bytes = image.clone();
            bytes[part.clone()].copy_from_slice(&old[part.clone()]);
            let volume = world.open(&Arc::new(Sim::of(bytes))).unwrap();
            let mut found = 0;
            for number in 0..120 {
                match block(&volume, number) {
                    Ok(bytes) => assert_eq!(bytes, filled(4000 + number), "{name}"),
                    Err(Error::BlockDamaged { .. } | Error::PageDamaged { .. }) => found += 1,
                    Err(error) => panic!("{name}: {error}"),
                }
            }
            assert!(found > 0, "{name}");
        }
    }
    // The superblock alone, and the whole image, are older than what is known.
    for part in [0..2 * SUPERBLOCK_BYTES, 0..image.len()] {
        for old in &states {
            let mut bytes = image.clone();
            bytes[part.clone()].copy_from_slice(&old[part.clone()]);
            let how = Open {
                known_generation: known,
                ..world.how()
            };
            let opened = how.open(Arc::new(Sim::of(bytes)));
            assert!(matches!(opened, Err(Error::RolledBack { .. })));
        }
    }
}
