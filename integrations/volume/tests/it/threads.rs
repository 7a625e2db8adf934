//! Many threads on one volume.

use std::sync::atomic::{AtomicBool, Ordering};

use keyward_volume::Error;

use crate::{
    sim::{Dice, Fault},
    world::{BLOCK, World, block, filled},
};

/// Ends the readers, even if a writer has failed.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each writer owns every fourth block and counts up; readers see whole blocks that never go back.
#[test]
fn readers_see_whole_blocks_in_order_while_regions_go_home() {
    const WRITERS: u64 = 4;
    const BLOCKS: u64 = 640;
    let world = World::new();
    let (disk, volume) = world.volume(BLOCKS, 40);
    let done = AtomicBool::new(false);
    let counts: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let ends = Ends(&done);
        let background = scope.spawn(|| volume.run_checkpoints());
        let readers = [0, 1].map(|reader| {
            let (volume, done) = (&volume, &done);
            scope.spawn(move || {
                let mut dice = Dice(reader);
                let mut seen = vec![0; BLOCKS as usize];
                while !done.load(Ordering::Relaxed) {
                    let number = dice.below(BLOCKS);
                    let bytes = block(volume, number).unwrap();
                    let count = u64::from_be_bytes(bytes[..8].try_into().unwrap());
                    assert_eq!(bytes, filled(count), "block {number}");
                    assert!(count >= seen[number as usize], "block {number} went back");
                    seen[number as usize] = count;
                }
            })
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let volume = &volume;
                scope.spawn(move || {
                    let mut dice = Dice(100 + writer);
                    let mut counts = vec![0; BLOCKS as usize];
                    for round in 0..600 {
                        let number = dice.below(BLOCKS / WRITERS) * WRITERS + writer;
                        counts[number as usize] += 1;
                        let bytes = filled(counts[number as usize]);
                        volume.write(number * BLOCK, &bytes).unwrap();
                        if round % 20 == writer * 3 {
                            volume.flush().unwrap();
                        }
                        if round % 150 == 149 {
                            volume.checkpoint().unwrap();
                        }
                    }
                    counts
                })
            })
            .collect();
        let counts: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        drop(ends);
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
        volume.close().unwrap();
        background.join().unwrap().unwrap();
        counts.into_iter().map(|counts| counts.unwrap()).collect()
    });
    let again = world.open(&disk).unwrap();
    for number in 0..BLOCKS {
        let count = counts[(number % WRITERS) as usize][number as usize];
        assert_eq!(block(&again, number).unwrap(), filled(count));
    }
}

#[test]
fn a_wipe_ends_all_threads_at_once() {
    let world = World::new();
    let (_, volume) = world.volume(640, 40);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let volume = &volume;
                scope.spawn(move || {
                    let mut dice = Dice(worker);
                    loop {
                        let number = dice.below(640);
                        let result = volume.write(number * BLOCK, &filled(number));
                        let result = result.and_then(|()| block(volume, number).map(|_| ()));
                        if let Err(error) = result.and_then(|()| volume.flush()) {
                            return error;
                        }
                    }
                })
            })
            .collect();
        let background = scope.spawn(|| volume.run_checkpoints());
        while volume.generation() < 6 && !workers.iter().any(|worker| worker.is_finished()) {
            std::thread::yield_now();
        }
        volume.wipe();
        for worker in workers {
            assert!(matches!(worker.join().unwrap(), Error::KeyGone));
        }
        background.join().unwrap().unwrap();
    });
    assert_eq!(world.arena.used_slots(), 0);
}

/// Whether a writer's flush covers what others wrote or not: what each flushed is there after a crash.
#[test]
fn what_each_thread_flushed_is_there_after_a_crash_at_any_moment() {
    const WRITERS: u64 = 4;
    const BLOCKS: u64 = 640;
    for round in 0..40 {
        let world = World::new();
        let (disk, volume) = world.volume(BLOCKS, 40);
        let mut dice = Dice(round);
        disk.arm(200 + dice.below(1500), Fault::Stop, dice.roll());
        // What each writer last flushed, and last wrote, of its blocks.
        let ends: Vec<(Vec<u64>, Vec<u64>)> = std::thread::scope(|scope| {
            scope.spawn(|| volume.run_checkpoints());
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let volume = &volume;
                    scope.spawn(move || {
                        let mut dice = Dice(round * 100 + writer);
                        let mut written = vec![0; BLOCKS as usize];
                        let mut flushed = written.clone();
                        loop {
                            let number = dice.below(BLOCKS / WRITERS) * WRITERS + writer;
                            written[number as usize] += 1;
                            let bytes = filled(written[number as usize]);
                            let mut result = volume.write(number * BLOCK, &bytes);
                            if dice.below(4) == 0 {
                                result = result.and_then(|()| volume.flush());
                                if result.is_ok() {
                                    flushed.clone_from(&written);
                                }
                            }
                            if result.is_err() {
                                return (flushed, written);
                            }
                        }
                    })
                })
                .collect();
            let ends = writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect();
            volume.wipe();
            ends
        });
        drop(volume);
        disk.crash(round as u8, &mut dice);
        let again = world.open(&disk).unwrap();
        for number in 0..BLOCKS {
            let (flushed, written) = &ends[(number % WRITERS) as usize];
            let bytes = block(&again, number).unwrap();
            let count = u64::from_be_bytes(bytes[..8].try_into().unwrap());
            assert_eq!(bytes, filled(count), "block {number}");
            let (least, most) = (flushed[number as usize], written[number as usize]);
            assert!(
                (least..=most).contains(&count),
                "{least} <= {count} <= {most}"
            );
        }
    }
}
