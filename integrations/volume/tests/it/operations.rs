//! What each operation does and refuses.

use std::sync::Arc;

use keyward_crypto::secret::SecretBytes;
use keyward_volume::{Copy, Error, ImageId, Open, disk::Disk, superblock};

use crate::{
    sim::{Dice, Fault, Sim},
    world::{BLOCK, ID, World, block, filled},
};

#[test]
fn bytes_come_back_from_any_offset_and_the_rest_is_zeros() {
    let world = World::new();
    let (_, volume) = world.volume(1000, 32);
    volume.write(5000, &[7; 9000]).unwrap();
    let mut bytes = vec![1; 20_000];
    volume.read(0, &mut bytes).unwrap();
    assert!(bytes[..5000].iter().all(|byte| *byte == 0));
    assert!(bytes[5000..14_000].iter().all(|byte| *byte == 7));
    assert!(bytes[14_000..].iter().all(|byte| *byte == 0));
    volume.write_zeros(6000, 7000).unwrap();
    volume.checkpoint().unwrap();
    volume.read(0, &mut bytes).unwrap();
    assert!(bytes[5000..6000].iter().all(|byte| *byte == 7));
    assert!(bytes[6000..13_000].iter().all(|byte| *byte == 0));
    assert!(bytes[13_000..14_000].iter().all(|byte| *byte == 7));
}

#[test]
fn what_is_outside_of_the_volume_is_refused() {
    let world = World::new();
    let (_, volume) = world.volume(10, 32);
    let outside = |result: Result<(), Error>| matches!(result, Err(Error::OutOfRange { size, .. }) if size == 10 * BLOCK);
    assert!(outside(volume.read(10 * BLOCK - 1, &mut [0; 2])));
    assert!(outside(volume.write(10 * BLOCK, &[0])));
    assert!(outside(volume.write(u64::MAX, &[0])));
    assert!(outside(volume.discard(0, 11 * BLOCK)));
    assert!(outside(volume.write_zeros(u64::MAX, 1)));
    assert!(volume.write(10 * BLOCK, &[]).is_ok());
}

#[test]
fn the_data_key_is_recognized_again_also_during_a_check() {
    let world = World::new();
    let (_, volume) = world.volume(100, 32);
    volume.write(0, &filled(1)).unwrap();
    let other = SecretBytes::from_vec(vec![8; 32]);
    let short = SecretBytes::from_vec(vec![7; 16]);
    let used = world.arena.used_slots();
    volume
        .check(&mut |_, _| {
            assert!(volume.has_data_key(&world.data_key, &world.arena).unwrap());
            assert!(!volume.has_data_key(&other, &world.arena).unwrap());
            true
        })
        .unwrap();
    assert!(volume.has_data_key(&world.data_key, &world.arena).unwrap());
    assert!(volume.has_data_key(&short, &world.arena).is_err());
    assert_eq!(world.arena.used_slots(), used);
    volume.wipe();
    let gone = volume.has_data_key(&world.data_key, &world.arena);
    assert!(matches!(gone, Err(Error::KeyGone)), "{gone:?}");
}

#[test]
fn after_the_key_is_wiped_nothing_works_and_its_memory_is_free() {
    let world = World::new();
    let (disk, volume) = world.volume(100, 32);
    volume.write(0, &filled(1)).unwrap();
    volume.flush().unwrap();
    assert_eq!(world.arena.used_slots(), 4);
    volume.wipe();
    assert_eq!(world.arena.used_slots(), 0);
    let gone = |result: Result<(), Error>| matches!(result, Err(Error::KeyGone));
    assert!(gone(volume.read(0, &mut [0; 10])));
    assert!(gone(volume.write(0, &[1])));
    assert!(gone(volume.discard(0, BLOCK)));
    assert!(gone(volume.flush()));
    assert!(gone(volume.checkpoint().map(|_| ())));
    assert!(gone(volume.grow(200 * BLOCK)));
    assert!(gone(volume.rekey(World::key_info()).map(|_| ())));
    assert!(gone(volume.check(&mut |_, _| true).map(|_| ())));
    assert!(gone(volume.close().map(|_| ())));
    assert!(volume.usage().is_ok());
    drop(volume);
    let again = world.open(&disk).unwrap();
    assert_eq!(block(&again, 0).unwrap(), filled(1));
}

#[test]
fn a_closed_volume_says_so_and_opens_again() {
    let world = World::new();
    let (disk, volume) = world.volume(100, 32);
    volume.write(0, &filled(1)).unwrap();
    let generation = volume.close().unwrap();
    assert!(matches!(volume.write(0, &[1]), Err(Error::Closed)));
    assert!(matches!(volume.read(0, &mut [1]), Err(Error::Closed)));
    assert!(matches!(volume.flush(), Err(Error::Closed)));
    let found = superblock::inspect(&*disk).unwrap();
    assert_eq!((found.generation, found.clean), (generation, true));
    let again = world.open(&disk).unwrap();
    assert!(again.generation() > generation);
    assert!(!superblock::inspect(&*disk).unwrap().clean);
    assert_eq!(block(&again, 0).unwrap(), filled(1));
}

#[test]
fn another_key_another_volume_and_an_older_image_are_refused() {
    let world = World::new();
    let (disk, volume) = world.volume(100, 32);
    let old = disk.bytes();
    volume.write(0, &filled(1)).unwrap();
    let known = volume.close().unwrap();
    let other_key = SecretBytes::from_vec(vec![8; 32]);
    let dynamic = || Arc::clone(&disk) as Arc<dyn Disk>;
    let opened = Open::new(&other_key, &world.arena).open(dynamic());
    assert!(matches!(opened, Err(Error::NotAuthentic)));
    let how = Open {
        volume_id: Some(ImageId::from_bytes([3; 16])),
        ..world.how()
    };
    assert!(matches!(
        how.open(dynamic()),
        Err(Error::OtherVolume { found: ID })
    ));

    disk.alter(|bytes| bytes.clone_from(&old));
    let how = || Open {
        known_generation: known,
        ..world.how()
    };
    let refused = how().open(dynamic());
    assert!(
        matches!(refused, Err(Error::RolledBack { found, known: k }) if found < k && k == known)
    );
    assert_eq!(disk.bytes(), old, "a refusal writes nothing");
    let accepted = Open {
        accept_rollback: true,
        ..how()
    };
    let volume = accepted.open(dynamic()).unwrap();
    assert!(volume.generation() > known);
    assert_eq!(block(&volume, 0).unwrap(), filled(0));
    drop(volume);

    disk.alter(|bytes| bytes.clone_from(&old));
    let far = Open {
        accept_rollback: true,
        advance: 1 << 32,
        ..how()
    };
    assert!(far.open(dynamic()).unwrap().generation() > known + (1 << 32));
}

#[test]
fn discards_give_space_back_however_long_they_are() {
    let world = World::new();
    let (_folder, disk, volume) = world.large(200_000, 64);
    let empty = volume.usage().unwrap();
    assert!(volume.is_empty());
    for number in (0..200_000).step_by(997) {
        volume.write(number * BLOCK, &filled(number)).unwrap();
    }
    // Before anything has gone home, too.
    assert!(!volume.is_empty());
    volume.checkpoint().unwrap();
    assert!(!volume.is_empty());
    let full = volume.usage().unwrap();
    assert_eq!(full.stored, 201 * BLOCK);
    assert!(full.allocated > empty.allocated + 201 * BLOCK);
    // One record, whatever its length; a block in the middle is written again.
    volume.discard(BLOCK, 199_999 * BLOCK).unwrap();
    volume.write(99_700 * BLOCK, &filled(5)).unwrap();
    for number in (997..200_000).step_by(997) {
        let expect = if number == 99_700 { 5 } else { 0 };
        assert_eq!(block(&volume, number).unwrap(), filled(expect));
    }
    volume.checkpoint().unwrap();
    assert_eq!(volume.usage().unwrap().stored, 2 * BLOCK);
    assert_eq!(block(&volume, 997).unwrap(), filled(0));
    assert_eq!(block(&volume, 99_700).unwrap(), filled(5));
    assert_eq!(volume.check(&mut |_, _| true).unwrap().damages, 0);
    drop(volume);
    let again = world.how().open(disk).unwrap();
    assert_eq!(again.usage().unwrap().stored, 2 * BLOCK);
}

#[test]
fn the_largest_volume_works_and_takes_no_space_for_its_size() {
    let world = World::new();
    // The largest file of ext4 has 16 TiB less a block.
    let blocks = 15 << 28;
    let (_folder, _, volume) = world.large(blocks, 64);
    for number in [0, blocks / 2, blocks - 1] {
        volume.write(number * BLOCK, &filled(number)).unwrap();
    }
    volume.checkpoint().unwrap();
    for number in [0, blocks / 2, blocks - 1] {
        assert_eq!(block(&volume, number).unwrap(), filled(number));
    }
    volume.discard(0, blocks * BLOCK).unwrap();
    volume.checkpoint().unwrap();
    assert_eq!(volume.usage().unwrap().stored, 0);
    assert!(volume.is_empty());
    assert!(volume.usage().unwrap().allocated < 1 << 20);
    assert_eq!(block(&volume, blocks / 2).unwrap(), filled(0));
}

#[test]
fn a_volume_grows_and_never_shrinks() {
    let world = World::new();
    let (disk, volume) = world.volume(10, 32);
    volume.grow(500 * BLOCK).unwrap();
    volume.write(499 * BLOCK, &filled(9)).unwrap();
    assert!(matches!(volume.grow(499 * BLOCK), Err(Error::Argument(_))));
    assert!(matches!(
        volume.grow(501 * BLOCK + 1),
        Err(Error::Argument(_))
    ));
    assert!(matches!(volume.grow(1 << 50), Err(Error::Argument(_))));
    volume.flush().unwrap();
    drop(volume);
    let again = world.open(&disk).unwrap();
    assert_eq!(again.size(), 500 * BLOCK);
    assert_eq!(block(&again, 499).unwrap(), filled(9));
}

#[test]
fn what_is_said_about_the_key_is_replaced_in_both_copies_and_has_limits() {
    let world = World::new();
    let (disk, volume) = world.volume(10, 32);
    let mut key = World::key_info();
    key.wrapped = vec![5; 6144];
    key.labels.insert("grant".to_owned(), "g".repeat(8000));
    volume.rekey(key.clone()).unwrap();
    assert_eq!(volume.key_info(), key);
    for too_much in [6145, 0] {
        key.wrapped = vec![5; too_much];
        assert!(matches!(volume.rekey(key.clone()), Err(Error::Argument(_))));
    }
    drop(volume);
    for copy in 0..2 {
        let from = copy * 32 * 1024;
        let found = superblock::Superblock::parse(&disk.bytes()[from..from + 32 * 1024]).unwrap();
        assert_eq!(found.key.wrapped, vec![5; 6144]);
        assert_eq!(found.key.labels.len(), 1);
    }
}

#[test]
fn a_snapshot_has_the_same_key_and_a_resealed_copy_another() {
    let world = World::new();
    let (disk, volume) = world.volume(30_000, 64);
    for number in (0..30_000).step_by(333) {
        volume.write(number * BLOCK, &filled(number)).unwrap();
    }
    let new_key = SecretBytes::from_vec(vec![11; 32]);
    for (id, data_key) in [([1; 16], None), ([2; 16], Some(&new_key))] {
        let target = Arc::new(Sim::default());
        let copy = Copy {
            volume_id: ImageId::from_bytes(id),
            key: World::key_info(),
            data_key,
            arena: &world.arena,
        };
        let target_disk = Arc::clone(&target) as Arc<dyn Disk>;
        volume.copy_to(&target_disk, &copy).unwrap();
        let key = data_key.unwrap_or(&world.data_key);
        let opened = Open::new(key, &world.arena).open(target_disk).unwrap();
        assert_eq!(opened.id(), ImageId::from_bytes(id));
        for number in (0..30_000).step_by(333) {
            assert_eq!(block(&opened, number).unwrap(), filled(number));
        }
        assert_eq!(opened.usage().unwrap().stored, 91 * BLOCK);
        assert_eq!(opened.check(&mut |_, _| true).unwrap().damages, 0);
        // They share no state.
        opened.write(0, &filled(77)).unwrap();
        assert_eq!(block(&volume, 0).unwrap(), filled(0));
        // Ciphertext is shared by the snapshot only.
        let layout = keyward_volume::layout::Layout::new(64 * BLOCK);
        let at = layout.block(333) as usize;
        let same = disk.bytes()[at..at + 4096] == target.bytes()[at..at + 4096];
        assert_eq!(same, data_key.is_none());
    }
}

#[test]
fn a_backup_is_the_volume_itself_at_its_generation_and_changes_only_where_it_changed() {
    let world = World::new();
    let (_, volume) = world.volume(30_000, 64);
    let back_up = || {
        let target = Arc::new(Sim::default());
        volume
            .back_up_to(&(Arc::clone(&target) as Arc<dyn Disk>))
            .unwrap();
        target
    };
    for number in (0..30_000).step_by(333) {
        volume.write(number * BLOCK, &filled(number)).unwrap();
    }
    volume.rekey(World::key_info()).unwrap();
    let before = volume.generation();
    let first = back_up();
    let generation = superblock::inspect(&*first).unwrap().generation;
    assert!(before <= generation && generation < volume.generation());
    volume.write(0, &filled(9)).unwrap();
    let second = back_up();
    let superblock = superblock::inspect(&*first).unwrap();
    assert_eq!((superblock.volume_id, superblock.seal_id), (ID, ID));
    assert_eq!(
        (superblock.generation, superblock.clean),
        (generation, true)
    );
    assert_eq!(superblock.key, volume.key_info());
    // Only the superblocks and what leads to the changed block are other bytes.
    let (one, two) = (first.bytes(), second.bytes());
    let pairs = one.chunks(4096).zip(two.chunks(4096));
    let changed = pairs.filter(|(one, two)| one != two).count();
    assert!((5..=5 + 1 + 2 * 8).contains(&changed), "{changed}");
    // It is accepted as far as nothing newer is known.
    let open = |disk: &Arc<Sim>, known| {
        let mut how = world.how();
        (how.volume_id, how.known_generation) = (Some(ID), known);
        how.open(Arc::clone(disk) as Arc<dyn Disk>)
    };
    assert!(matches!(
        open(&first, volume.generation()),
        Err(Error::RolledBack { found, .. }) if found == generation
    ));
    let opened = open(&first, generation).unwrap();
    assert_eq!(block(&opened, 0).unwrap(), filled(0));
    assert_eq!(block(&opened, 333).unwrap(), filled(333));
    assert_eq!(opened.check(&mut |_, _| true).unwrap().damages, 0);
    assert_eq!(block(&open(&second, 0).unwrap(), 0).unwrap(), filled(9));
    volume.wipe();
    let target: Arc<dyn Disk> = Arc::new(Sim::default());
    assert!(matches!(volume.back_up_to(&target), Err(Error::KeyGone)));
}

#[test]
fn a_full_disk_refuses_writes_keeps_what_was_flushed_and_goes_on_with_room() {
    let world = World::new();
    let (disk, volume) = world.volume(400, 16);
    let blocks = keyward_volume::layout::Layout::new(16 * BLOCK).image_bytes(0);
    disk.set_full(Some(blocks));
    let mut written = 0;
    let refused = loop {
        match volume.write(written * BLOCK, &filled(written + 1)) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::NoSpace));
    volume.flush().unwrap();
    let all_there = |volume: &keyward_volume::Volume| {
        (0..written).all(|number| block(volume, number).unwrap() == filled(number + 1))
    };
    assert!(written >= 14 && all_there(&volume));
    // The volume opens all the same, and can be read.
    drop(volume);
    let volume = world.open(&disk).unwrap();
    assert!(all_there(&volume));
    assert!(matches!(volume.write(0, &filled(1)), Err(Error::NoSpace)));
    assert!(matches!(volume.close(), Err(Error::NoSpace)));
    disk.set_full(None);
    volume.write(written * BLOCK, &filled(3)).unwrap();
    assert!(all_there(&volume));
    volume.close().unwrap();
    assert!(all_there(&world.open(&disk).unwrap()));
}

#[test]
fn memory_is_bounded_whatever_is_written() {
    let world = World::new();
    let (_folder, _, volume) = world.large(2_000_000, 64);
    for number in 0..2000 {
        volume
            .write(number * 997 % 2_000_000 * BLOCK, &filled(number))
            .unwrap();
        volume
            .discard((number * 1009 + 1) % 1_999_000 * BLOCK, 3 * BLOCK)
            .unwrap();
    }
    for number in 0..2000 {
        block(&volume, number * 997 % 2_000_000).unwrap();
    }
    let (pages, items) = volume.memory();
    assert!(pages <= 64, "{pages} pages");
    assert!(items <= 512, "{items} items");
}

/// A record that failed may be on the disk all the same, and would come back at the next opening.
#[test]
fn after_a_failed_write_nothing_is_acknowledged_until_the_volume_is_opened_again() {
    for dice in 0..50 {
        let world = World::new();
        let (disk, volume) = world.volume(100, 32);
        volume.write(0, &filled(1)).unwrap();
        volume.flush().unwrap();
        disk.arm(1, Fault::Error, dice);
        assert!(matches!(volume.write(0, &filled(2)), Err(Error::Io(_))));
        assert!(matches!(volume.flush(), Err(Error::Failed)));
        assert!(matches!(volume.write(0, &filled(3)), Err(Error::Failed)));
        assert!(matches!(volume.checkpoint(), Err(Error::Failed)));
        assert!(matches!(volume.close(), Err(Error::Failed)));
        assert_eq!(block(&volume, 0).unwrap(), filled(1));
        drop(volume);
        disk.crash(1, &mut Dice(dice));
        let found = block(&world.open(&disk).unwrap(), 0).unwrap();
        assert!(found == filled(1) || found == filled(2));
    }
}

#[test]
fn pages_in_memory_are_used_only_for_the_state_that_they_belong_to() {
    const LEAVES: u64 = 700;
    let world = World::new();
    let (_folder, disk, volume) = world.large(LEAVES * 100, 2 * LEAVES + 10);
    volume.close().unwrap();
    let how = Open {
        cached_pages: 4000,
        ..world.how()
    };
    let volume = how.open(disk).unwrap();
    // More pages change at once than a checkpoint puts into memory itself.
    for round in 1..4 {
        for leaf in 0..LEAVES {
            volume
                .write(leaf * 100 * BLOCK, &filled(round + leaf))
                .unwrap();
        }
        volume.checkpoint().unwrap();
        for leaf in 0..LEAVES {
            assert_eq!(block(&volume, leaf * 100).unwrap(), filled(round + leaf));
        }
    }
    assert!(volume.memory().0 > 512);
}
