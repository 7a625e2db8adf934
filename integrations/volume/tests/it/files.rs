//! A volume in a real file.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use keyward_volume::{
    Error,
    disk::{Disk, FileDisk},
};

use crate::world::{BLOCK, World, block, filled};

#[test]
fn a_file_holds_a_volume_for_one_process_at_a_time() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::create(&path).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(FileDisk::create(&path).is_err());
    assert!(matches!(FileDisk::open(&path), Err(Error::InUse)));
    world.create(&disk, 5000, 64);
    let volume = world.how().open(Arc::clone(&disk)).unwrap();
    for number in 0..1000 {
        volume.write(number * 5 * BLOCK, &filled(number)).unwrap();
    }
    volume.flush().unwrap();
    let beside = FileDisk::open_to_inspect(&path).unwrap();
    assert_eq!(
        keyward_volume::superblock::inspect(&beside).unwrap().blocks,
        5000
    );
    drop((volume, disk));

    let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(&path).unwrap());
    let volume = world.how().open(Arc::clone(&disk)).unwrap();
    for number in 0..1000 {
        assert_eq!(block(&volume, number * 5).unwrap(), filled(number));
    }
    let before = volume.usage().unwrap();
    assert_eq!(before.stored, 1000 * BLOCK);
    volume.discard(0, 5000 * BLOCK).unwrap();
    volume.checkpoint().unwrap();
    let after = volume.usage().unwrap();
    assert_eq!(after.stored, 0);
    assert!(
        after.allocated + 900 * BLOCK < before.allocated,
        "{before:?} {after:?}"
    );
    volume.close().unwrap();
}
