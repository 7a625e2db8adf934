//! One history, with the machine stopped at every single operation of the disk.

use std::sync::Arc;

use keyward_volume::{Error, Volume, disk::Disk, layout::SUPERBLOCK_BYTES};

use crate::{
    model::Model,
    sim::{Dice, Fault, Sim},
    world::{BLOCK, World, block},
};

const BLOCKS: u64 = 210;
/// How often the history does everything.
const ROUNDS: u8 = 3;

/// Writes, overwrites, discards, grows, rekeys and closes, until something fails; what must be there.
fn history(world: &World, disk: &Arc<Sim>, model: &mut Model, rounds: u8) -> Result<(), Error> {
    let volume = world.open(disk)?;
    let result = changes(&volume, model, rounds);
    result.and_then(|()| volume.close().map(|_| model.flushed()))
}

fn changes(volume: &Volume, model: &mut Model, rounds: u8) -> Result<(), Error> {
    let change = |model: &mut Model, at: u64, count: u64, byte: Option<u8>| {
        let (offset, length) = (at * BLOCK, count * BLOCK);
        let bytes = byte.map(|byte| vec![byte; length as usize]);
        let made = model.attempt(offset, length, bytes.as_deref());
        let result = match &bytes {
            Some(bytes) => volume.write(offset, bytes),
            None => volume.discard(offset, length),
        };
        if result.is_ok() {
            model.done(offset, length, &made);
        }
        result
    };
    for round in 1..=rounds {
        for at in 0..6 {
            change(model, at * 37, 2, Some(round * 10 + at as u8))?;
        }
        volume.flush()?;
        model.flushed();
        change(model, 30, 80, None)?;
        change(model, 60, 5, Some(round))?;
        volume.checkpoint()?;
        model.flushed();
        change(model, 1, 1, Some(round + 100))?;
        let blocks = BLOCKS + u64::from(round) * 100;
        volume.grow(blocks * BLOCK)?;
        model.grow(blocks);
        volume.rekey(World::key_info())?;
        change(model, blocks - 3, 3, Some(round + 200))?;
        volume.flush()?;
        model.flushed();
    }
    Ok(())
}

/// The image of an empty volume, and how many operations the history takes on it.
fn fresh(world: &World, rounds: u8) -> (Vec<u8>, u64) {
    let disk = Arc::new(Sim::default());
    world.create(&(Arc::clone(&disk) as Arc<dyn Disk>), BLOCKS, 16);
    let image = disk.bytes();
    let disk = Arc::new(Sim::of(image.clone()));
    history(world, &disk, &mut Model::new(BLOCKS), rounds).unwrap();
    (image, disk.operations())
}

/// Opens the volume after a crash, and compares it with what must be there.
fn verify(world: &World, disk: &Arc<Sim>, mut model: Model, which: &str) {
    let volume = world.open(disk);
    let volume = volume.unwrap_or_else(|error| panic!("{which}: {error}"));
    model.grow(volume.size() / BLOCK);
    let found = (0..model.len()).map(|number| block(&volume, number));
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.unwrap_or_else(|error| panic!("{which}: {error}"));
    model
        .recovered(&found)
        .unwrap_or_else(|why| panic!("{which}: {why}"));
    assert_eq!(volume.check(&mut |_, _| true).unwrap().damages, 0);
}

/// The worst moment: one copy of the superblock is newer than the other, and both are good.
#[test]
fn a_stop_at_any_operation_of_a_recovery_between_two_superblocks_loses_nothing() {
    let world = World::new();
    let (image, operations) = fresh(&world, ROUNDS);
    let mut recoveries = 0;
    for at in 1..=operations {
        let disk = Arc::new(Sim::of(image.clone()));
        let mut model = Model::new(BLOCKS);
        disk.arm(at, Fault::Stop, at);
        assert!(history(&world, &disk, &mut model, ROUNDS).is_err());
        model.uncertain = true;
        // Everything is there that was written.
        disk.crash(1, &mut Dice(at));
        let between = disk.bytes();
        let (a, b) = between[..2 * SUPERBLOCK_BYTES].split_at(SUPERBLOCK_BYTES);
        if a == b {
            continue;
        }
        for stop in 1.. {
            let mut dice = Dice(at * 1000 + stop);
            let disk = Arc::new(Sim::of(between.clone()));
            disk.arm(stop, Fault::Stop, dice.roll());
            drop(world.open(&disk));
            if !disk.is_stopped() {
                break;
            }
            recoveries += 1;
            disk.crash(2 + (stop % 4) as u8, &mut dice);
            verify(
                &world,
                &disk,
                model.clone(),
                &format!("operation {at}, then {stop}"),
            );
        }
    }
    assert!(recoveries > 200, "{recoveries} recoveries");
}

#[test]
fn a_stop_at_any_operation_loses_nothing_that_was_flushed() {
    let world = World::new();
    let (image, operations) = fresh(&world, ROUNDS);
    assert!(operations > 250, "{operations} operations");
    for at in 1..=operations {
        for mode in 0..6 {
            let disk = Arc::new(Sim::of(image.clone()));
            let mut model = Model::new(BLOCKS);
            let mut dice = Dice(at * 6 + u64::from(mode));
            disk.arm(at, Fault::Stop, dice.roll());
            let stopped = history(&world, &disk, &mut model, ROUNDS);
            assert!(stopped.is_err() && disk.is_stopped());
            model.uncertain = true;
            disk.crash(mode, &mut dice);
            // The machine stops once more while it recovers, in half of the cases.
            if mode % 2 == 0 {
                disk.arm(1 + dice.below(40), Fault::Stop, dice.roll());
                drop(world.open(&disk));
                disk.crash(mode + 1, &mut dice);
            }
            verify(
                &world,
                &disk,
                model,
                &format!("operation {at}, mode {mode}"),
            );
        }
    }
}

/// What the killed process wrote last is seen by the next one, and may still be lost.
#[test]
fn a_kill_at_any_operation_then_a_stop_at_any_of_the_next_opening_loses_nothing() {
    let world = World::new();
    let (image, operations) = fresh(&world, 1);
    let mut openings = 0;
    let mut before = None;
    for at in 1..=operations {
        let killed = Arc::new(Sim::of(image.clone()));
        let mut model = Model::new(BLOCKS);
        killed.arm(at, Fault::Stop, at);
        assert!(history(&world, &killed, &mut model, 1).is_err());
        model.uncertain = true;
        killed.kill();
        // At a read, it leaves what the operation before has left.
        if before.replace(killed.changes()) == Some(killed.changes()) {
            continue;
        }
        let mut changes = None;
        for stop in 1.. {
            let opened = Arc::new(killed.copy());
            let mut dice = Dice(at * 1000 + stop);
            opened.arm(stop, Fault::Stop, dice.roll());
            let volume = world.open(&opened);
            let is_stopped = opened.is_stopped();
            let which = format!("killed at operation {at}, stopped at {stop}");
            assert!(is_stopped || volume.is_ok(), "{which}: {volume:?}");
            drop(volume);
            openings += 1;
            // The same here.
            if changes.replace(opened.changes()) == Some(opened.changes()) && is_stopped {
                continue;
            }
            for mode in 0..6 {
                let crashed = Arc::new(opened.copy());
                crashed.crash(mode, &mut dice);
                let which = format!("{which}, mode {mode}");
                verify(&world, &crashed, model.clone(), &which);
            }
            if !is_stopped {
                break;
            }
        }
    }
    assert!(openings > 1000, "{openings} openings");
}
