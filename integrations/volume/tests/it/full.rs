//! No room to bring the journal home, while a thread does so in the background.

use std::{thread, time::Duration};

use keyward_volume::{Error, Volume, layout::Layout};

use crate::world::{BLOCK, World, block, filled};

const PAGES: u64 = 40;
/// How often it is looked whether something has gone home, a millisecond apart.
const LOOKS: u32 = 20_000;

/// Where blocks and pages have their homes.
fn homes() -> u64 {
    Layout::new(PAGES * BLOCK).image_bytes(0)
}

/// Ends all that waits for a volume, even if the test has failed.
struct Ends<'a>(&'a Volume);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// Waits until only so many items are in the journal.
fn await_items(volume: &Volume, items: usize) {
    for _ in 0..LOOKS {
        if volume.memory().1 <= items {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing goes home");
}

#[test]
fn a_close_that_fails_makes_writers_wait_and_ends_no_background() {
    let world = World::new();
    let (disk, volume) = world.volume(640, PAGES);
    volume.write(5 * BLOCK, &filled(1)).unwrap();
    disk.set_full(Some(homes()));
    disk.set_hold(true);
    thread::scope(|scope| {
        let _ends = Ends(&volume);
        let closing = scope.spawn(|| volume.close());
        while !disk.is_held() && !closing.is_finished() {
            thread::yield_now();
        }
        let background = scope.spawn(|| volume.run_checkpoints());
        let writer = scope.spawn(|| volume.write(6 * BLOCK, &filled(2)));
        let discarder = scope.spawn(|| volume.discard(7 * BLOCK, BLOCK));
        let read = block(&volume, 5);
        let flushed = volume.flush();
        // If any of them fails, then at once; the longer the wait, the surer it is.
        thread::sleep(Duration::from_millis(100));
        let has_ended = background.is_finished();
        disk.set_hold(false);
        assert!(matches!(closing.join().unwrap(), Err(Error::NoSpace)));
        writer.join().unwrap().unwrap();
        discarder.join().unwrap().unwrap();
        assert_eq!(read.unwrap(), filled(1));
        flushed.unwrap();
        assert!(!has_ended);
        disk.set_full(None);
        await_items(&volume, 2);
        volume.close().unwrap();
        background.join().unwrap().unwrap();
    });
    for result in [
        volume.write(0, &filled(3)),
        volume.discard(0, BLOCK),
        volume.flush(),
        volume.close().map(|_| ()),
    ] {
        assert!(matches!(result, Err(Error::Closed)));
    }
    let again = world.open(&disk).unwrap();
    assert_eq!(block(&again, 5).unwrap(), filled(1));
    assert_eq!(block(&again, 6).unwrap(), filled(2));
}

#[test]
fn writers_that_waited_for_a_close_that_succeeds_have_written_nothing() {
    let world = World::new();
    let (disk, volume) = world.volume(640, PAGES);
    volume.write(5 * BLOCK, &filled(1)).unwrap();
    disk.set_full(Some(homes()));
    disk.set_hold(true);
    thread::scope(|scope| {
        let closing = scope.spawn(|| volume.close());
        while !disk.is_held() && !closing.is_finished() {
            thread::yield_now();
        }
        let writer = scope.spawn(|| volume.write(6 * BLOCK, &filled(2)));
        let discarder = scope.spawn(|| volume.discard(5 * BLOCK, BLOCK));
        thread::sleep(Duration::from_millis(100));
        disk.set_full(None);
        closing.join().unwrap().unwrap();
        assert!(matches!(writer.join().unwrap(), Err(Error::Closed)));
        assert!(matches!(discarder.join().unwrap(), Err(Error::Closed)));
    });
    let again = world.open(&disk).unwrap();
    assert_eq!(block(&again, 5).unwrap(), filled(1));
    assert_eq!(block(&again, 6).unwrap(), filled(0));
}

#[test]
fn what_a_checkpoint_or_an_opening_could_not_bring_home_goes_home_without_a_writer() {
    let world = World::new();
    let (disk, volume) = world.volume(640, PAGES);
    let goes_home = |volume: &Volume| {
        thread::scope(|scope| {
            let _ends = Ends(volume);
            scope.spawn(|| volume.run_checkpoints());
            disk.set_full(None);
            await_items(volume, 0);
        });
    };
    volume.write(5 * BLOCK, &filled(1)).unwrap();
    volume.flush().unwrap();
    disk.set_full(Some(homes()));
    let opened = world.open(&disk).unwrap();
    drop(volume);
    goes_home(&opened);
    let volume = world.open(&disk).unwrap();
    volume.write(6 * BLOCK, &filled(2)).unwrap();
    disk.set_full(Some(homes()));
    assert!(matches!(volume.checkpoint(), Err(Error::NoSpace)));
    goes_home(&volume);
}
