//! One history, with the machine stopped at every single operation of the disk.

use std::sync::Arc;

use keyward_volume::disk::Disk;
use keyward_volume::{Error, Volume};

use crate::model::Model;
use crate::sim::{Dice, Fault, Sim};
use crate::world::{BLOCK, World, block};

const BLOCKS: u64 = 210;

/// Writes, overwrites, discards, grows, rekeys and closes, until something fails; what must be there.
fn history(world: &World, disk: &Arc<Sim>, model: &mut Model) -> Result<(), Error> {
    let volume = world.open(disk)?;
    let result = changes(&volume, model);
    result.and_then(|()| volume.close().map(|_| model.flushed()))
}

fn changes(volume: &Volume, model: &mut Model) -> Result<(), Error> {
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
    for round in 1..4 {
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

#[test]
fn a_stop_at_any_operation_loses_nothing_that_was_flushed() {
    let world = World::new();
    let fresh = Arc::new(Sim::default());
    world.create(&(Arc::clone(&fresh) as Arc<dyn Disk>), BLOCKS, 16);
    let image = fresh.bytes();
    let whole = Arc::new(Sim::of(image.clone()));
    history(&world, &whole, &mut Model::new(BLOCKS)).unwrap();
    let operations = whole.operations();
    assert!(operations > 250, "{operations} operations");
    for at in 1..=operations {
        for mode in 0..6 {
            let disk = Arc::new(Sim::of(image.clone()));
            let mut model = Model::new(BLOCKS);
            let mut dice = Dice(at * 6 + u64::from(mode));
            disk.arm(at, Fault::Stop, dice.roll());
            let stopped = history(&world, &disk, &mut model);
            assert!(stopped.is_err() && disk.is_stopped());
            model.uncertain = true;
            disk.crash(mode, &mut dice);
            // The machine stops once more while it recovers, in half of the cases.
            if mode % 2 == 0 {
                disk.arm(1 + dice.below(40), Fault::Stop, dice.roll());
                drop(world.open(&disk));
                disk.crash(mode + 1, &mut dice);
            }
            let volume = world.open(&disk).unwrap();
            model.grow(volume.size() / BLOCK);
            let found = (0..model.len()).map(|number| block(&volume, number).unwrap());
            let found: Vec<_> = found.collect();
            model
                .recovered(&found)
                .unwrap_or_else(|why| panic!("operation {at}, mode {mode}: {why}"));
            assert_eq!(volume.check(&mut |_, _| true).unwrap().damages, 0);
        }
    }
}
