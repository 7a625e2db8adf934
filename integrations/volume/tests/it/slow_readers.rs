//! Readers that are slower than everything around them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use keyward_volume::{
    Volume,
    disk::Disk,
    layout::{BLOCK_BYTES, Layout},
};

use crate::{
    sim::Sim,
    world::{BLOCK, World, block, filled},
};

const PAGES: u64 = 40;
const LAYOUT: Layout = Layout::new(PAGES * BLOCK);
/// How often it is looked whether a held reader's bytes have changed, a millisecond apart. They never do; the
/// longer the wait, the surer it is.
const LOOKS: u32 = 100;
/// No offset.
const NONE: u64 = u64::MAX;

/// A disk that holds one read of one place.
#[derive(Debug)]
struct Holding {
    disk: Arc<Sim>,
    /// The offset whose next read is held.
    at: AtomicU64,
    held: AtomicBool,
    released: AtomicBool,
}

impl Disk for Holding {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let held = self
            .at
            .compare_exchange(offset, NONE, Ordering::SeqCst, Ordering::SeqCst);
        if held.is_ok() {
            self.held.store(true, Ordering::SeqCst);
            while !self.released.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        self.disk.read_at(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        self.disk.punch(offset, length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.set_len(length)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.disk.allocated()
    }
}

/// Reads block 5, which holds 1, and is held where its bytes are read, while something else goes on.
fn reads_while(before: impl Fn(&Volume), offset: u64, meanwhile: impl Fn(&Volume) + Send + Sync) {
    let world = World::new();
    let disk = Arc::new(Holding {
        disk: Arc::new(Sim::default()),
        at: AtomicU64::new(NONE),
        held: AtomicBool::new(false),
        released: AtomicBool::new(false),
    });
    let dynamic = || Arc::clone(&disk) as Arc<dyn Disk>;
    world.create(&dynamic(), 640, PAGES);
    let volume = world.how().open(dynamic()).unwrap();
    volume.write(5 * BLOCK, &filled(1)).unwrap();
    before(&volume);
    let bytes = || disk.disk.bytes()[offset as usize..][..BLOCK_BYTES].to_vec();
    let as_it_was = bytes();
    disk.at.store(offset, Ordering::SeqCst);
    thread::scope(|scope| {
        let reader = scope.spawn(|| block(&volume, 5));
        while !disk.held.load(Ordering::SeqCst) && !reader.is_finished() {
            thread::yield_now();
        }
        let other = scope.spawn(|| meanwhile(&volume));
        for _ in 0..LOOKS {
            if bytes() != as_it_was || other.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        disk.released.store(true, Ordering::SeqCst);
        assert_eq!(reader.join().unwrap().unwrap(), filled(1));
        other.join().unwrap();
    });
}

/// Fills the journal several times over.
fn fill(volume: &Volume) {
    for number in 100..200 {
        volume.write(number * BLOCK, &filled(number)).unwrap();
    }
}

#[test]
fn a_region_is_not_used_again_while_somebody_reads_from_it() {
    reads_while(|_| {}, LAYOUT.region(0) + BLOCK, fill);
}

#[test]
fn a_block_does_not_change_at_home_while_somebody_reads_it() {
    let home = |volume: &Volume| {
        volume.checkpoint().unwrap();
    };
    reads_while(home, LAYOUT.block(5), |volume| {
        volume.write(5 * BLOCK, &filled(2)).unwrap();
        volume.checkpoint().unwrap();
    });
    reads_while(home, LAYOUT.block(5), |volume| {
        volume.discard(0, 600 * BLOCK).unwrap();
        volume.checkpoint().unwrap();
    });
}
