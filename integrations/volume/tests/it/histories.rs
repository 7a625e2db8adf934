//! Random histories of a volume on a disk that crashes at any point, tears, reorders, fills up and fails.
//!
//! `PROPTEST_CASES` says how many; each has a handful of crashes.

use std::sync::Arc;

use keyward_volume::{Error, Volume, disk::Disk, layout::Layout};
use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    model::Model,
    sim::{Dice, Fault, Sim},
    world::{BLOCK, World, block},
};

/// How many histories run unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 1000;

/// Something that is done to a volume or its disk.
#[derive(Clone, Debug)]
enum Step {
    Write {
        offset: u64,
        length: u64,
    },
    Discard {
        offset: u64,
        length: u64,
    },
    Zeros {
        offset: u64,
        length: u64,
    },
    Flush,
    Checkpoint,
    Grow(u64),
    Rekey,
    Read,
    Check,
    /// Closed and opened again.
    Reopen,
    /// The process dies, the machine lives.
    Kill,
    /// The machine stops now.
    Crash(u8),
    /// The machine stops some operations of the disk later, and a few times more while it recovers.
    StopLater {
        after: u64,
        mode: u8,
        again: Vec<u64>,
    },
    /// An operation of the disk fails some operations later.
    FailLater(u64),
    /// The disk has no room for blocks, or has room again.
    Full(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let span = || {
        (
            0u64..2_000_000,
            prop_oneof![1u64..9000, Just(BLOCK), 1u64..80_000],
        )
    };
    let aligned = || (0u64..300, 1u64..8).prop_map(|(at, n)| (at * BLOCK, n * BLOCK));
    let step = prop_oneof![
        12 => aligned().prop_map(|(offset, length)| Step::Write { offset, length }),
        8 => span().prop_map(|(offset, length)| Step::Write { offset, length }),
        3 => span().prop_map(|(offset, length)| Step::Discard { offset, length: length * 8 }),
        1 => span().prop_map(|(offset, length)| Step::Zeros { offset, length }),
        8 => Just(Step::Flush),
        2 => Just(Step::Checkpoint),
        1 => (1u64..200).prop_map(Step::Grow),
        1 => Just(Step::Rekey),
        2 => Just(Step::Read),
        1 => Just(Step::Check),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        2 => any::<u8>().prop_map(Step::Crash),
        4 => (1u64..120, any::<u8>(), prop::collection::vec(1u64..100, 0..3))
            .prop_map(|(after, mode, again)| Step::StopLater { after, mode, again }),
        1 => (1u64..100).prop_map(Step::FailLater),
        1 => any::<bool>().prop_map(Step::Full),
    ];
    prop::collection::vec(step, 1..70)
}

/// A volume, its disk, and what it must hold.
struct Run {
    world: World,
    disk: Arc<Sim>,
    volume: Option<Volume>,
    model: Model,
    /// The newest generation that was reported.
    known: u64,
    journal_pages: u64,
    dice: Dice,
    /// Of the disk, at the last opening.
    faults: u64,
    /// How the next stop crashes, and when the machine stops again.
    stop: (u8, Vec<u64>),
    rekeyed: bool,
}

impl Run {
    fn new(blocks: u64, journal_pages: u64, seed: u64) -> Self {
        let world = World::new();
        let disk = Arc::new(Sim::default());
        world.create(&(Arc::clone(&disk) as Arc<dyn Disk>), blocks, journal_pages);
        let mut run = Self {
            world,
            disk,
            volume: None,
            model: Model::new(blocks),
            known: 1,
            journal_pages,
            dice: Dice(seed),
            faults: 0,
            stop: (0, Vec::new()),
            rekeyed: false,
        };
        run.open().unwrap();
        run
    }

    fn volume(&self) -> &Volume {
        self.volume.as_ref().unwrap()
    }

    /// Opens the volume, which may stop the machine again, and compares.
    fn open(&mut self) -> TestCaseResult {
        self.volume = None;
        loop {
            let how = keyward_volume::Open {
                known_generation: self.known,
                ..self.world.how()
            };
            let opened = how.open(Arc::clone(&self.disk) as Arc<dyn Disk>);
            if self.disk.is_stopped() {
                drop(opened);
                self.crash();
                continue;
            }
            match opened {
                Ok(volume) => {
                    self.volume = Some(volume);
                    break;
                }
                Err(Error::Io(_) | Error::NoSpace | Error::Failed)
                    if self.disk.faults() > self.faults =>
                {
                    self.faults = self.disk.faults();
                    if self.disk.sync_failed() {
                        self.crash();
                    }
                }
                Err(error) => return Err(TestCaseError::fail(format!("does not open: {error}"))),
            }
        }
        self.faults = self.disk.faults();
        self.known = self.known.max(self.volume().generation());
        self.compare_recovered()
    }

    /// Reads everything, and lets the model judge it.
    fn compare_recovered(&mut self) -> TestCaseResult {
        // A growth that failed may have taken place.
        self.model.grow(self.volume().size() / BLOCK);
        let mut found = Vec::new();
        for number in 0..self.model.len() {
            match block(self.volume(), number) {
                Ok(bytes) => found.push(bytes),
                Err(_) if self.disk.is_stopped() => {
                    self.crash();
                    return self.open();
                }
                Err(Error::Io(_)) if self.disk.faults() > self.faults => {
                    return self.compare_recovered();
                }
                Err(error) => {
                    let text = format!("block {number} after recovery: {error}");
                    return Err(TestCaseError::fail(text));
                }
            }
        }
        self.model.recovered(&found).map_err(TestCaseError::fail)
    }

    /// Chooses what of the unsynced writes is there, and arms the next stop.
    fn crash(&mut self) {
        let (mode, again) = &mut self.stop;
        self.disk.crash(*mode, &mut self.dice);
        *mode = mode.wrapping_add(1);
        if let Some(after) = again.pop() {
            self.disk.arm(after, Fault::Stop, self.dice.roll());
        }
    }

    /// Whether an error is one that the disk can explain.
    fn excused(&self, error: &Error) -> TestCaseResult {
        let explained = match error {
            Error::Io(_) | Error::Failed | Error::NoSpace => self.disk.faults() > self.faults,
            _ => false,
        };
        prop_assert!(explained, "without a fault of the disk: {}", error);
        Ok(())
    }

    /// After each step: if the machine has stopped, it starts again.
    fn settle(&mut self) -> TestCaseResult {
        if self.disk.is_stopped() {
            self.volume = None;
            self.crash();
            return self.open();
        }
        Ok(())
    }

    fn change(&mut self, offset: u64, length: u64, step: &Step) -> TestCaseResult {
        let size = self.model.len() * BLOCK;
        let offset = offset % size;
        let length = length.min(size - offset);
        let (from, to, bytes) = match step {
            Step::Discard { .. } => {
                let from = offset.next_multiple_of(BLOCK);
                (from, ((offset + length) / BLOCK * BLOCK).max(from), None)
            }
            Step::Zeros { .. } => (offset, offset + length, None),
            _ => {
                let number = self.dice.roll();
                let bytes = (0..length).map(|at| (number >> (at % 8 * 8)) as u8);
                (offset, offset + length, Some(bytes.collect::<Vec<u8>>()))
            }
        };
        let made = self.model.attempt(from, to - from, bytes.as_deref());
        let result = match (step, &bytes) {
            (_, Some(bytes)) => self.volume().write(offset, bytes),
            (Step::Zeros { .. }, _) => self.volume().write_zeros(offset, length),
            _ => self.volume().discard(offset, length),
        };
        match result {
            Ok(()) => self.model.done(from, to - from, &made),
            Err(error) => {
                self.excused(&error)?;
                self.model.uncertain = true;
                if self.disk.is_stopped() {
                    return Ok(());
                }
                // Some of it may have taken place: what reads show now is what they must go on to show.
                for (number, made) in Model::touched(from, to - from).zip(&made) {
                    let found = loop {
                        match block(self.volume(), number) {
                            Ok(found) => break found,
                            Err(_) if self.disk.is_stopped() => return Ok(()),
                            Err(error) => self.excused(&error)?,
                        }
                    };
                    let found = self.model.found(number, &found, made);
                    found.map_err(TestCaseError::fail)?;
                }
            }
        }
        Ok(())
    }

    /// What an operation reports; `None` if it failed as it may.
    fn allow<T>(&self, result: Result<T, Error>) -> Result<Option<T>, TestCaseError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.excused(&error).map(|()| None),
        }
    }

    fn read_all(&self) -> TestCaseResult {
        for number in 0..self.model.len() {
            if let Some(bytes) = self.allow(block(self.volume(), number))? {
                prop_assert!(bytes == self.model.current(number), "block {}", number);
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Write { offset, length }
            | Step::Discard { offset, length }
            | Step::Zeros { offset, length } => self.change(*offset, *length, step)?,
            Step::Flush => {
                if self.allow(self.volume().flush())?.is_some() {
                    self.model.flushed();
                }
            }
            Step::Checkpoint => {
                if let Some(generation) = self.allow(self.volume().checkpoint())? {
                    self.known = self.known.max(generation);
                    self.model.flushed();
                }
            }
            Step::Grow(blocks) => {
                let blocks = self.model.len() + blocks;
                if blocks < 900 && self.allow(self.volume().grow(blocks * BLOCK))?.is_some() {
                    self.model.grow(blocks);
                }
            }
            Step::Rekey => {
                let mut key = World::key_info();
                key.wrapped = vec![9; 3000];
                if let Some(generation) = self.allow(self.volume().rekey(key))? {
                    self.known = self.known.max(generation);
                    self.rekeyed = true;
                }
            }
            Step::Read => self.read_all()?,
            Step::Check => {
                if let Some(report) = self.allow(self.volume().check(&mut |_, _| true))? {
                    prop_assert_eq!(&report.damaged, &[]);
                    prop_assert_eq!(report.blocks, report.expected);
                    self.model.flushed();
                }
            }
            Step::Reopen => {
                if let Some(generation) = self.allow(self.volume().close())? {
                    self.known = self.known.max(generation);
                    self.model.flushed();
                    self.open()?;
                }
            }
            Step::Kill => {
                self.volume = None;
                if self.disk.sync_failed() {
                    self.disk.crash(4, &mut self.dice);
                }
                self.open()?;
            }
            Step::Crash(mode) => {
                self.volume = None;
                self.disk.crash(*mode, &mut self.dice);
                self.open()?;
            }
            Step::StopLater { after, mode, again } => {
                self.stop = (*mode, again.clone());
                self.disk.arm(*after, Fault::Stop, self.dice.roll());
            }
            Step::FailLater(after) => {
                self.disk.arm(*after, Fault::Error, self.dice.roll());
            }
            Step::Full(full) => {
                let blocks = Layout::new(self.journal_pages * BLOCK).image_bytes(0);
                self.disk.set_full(full.then_some(blocks));
            }
        }
        self.settle()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_flushed_is_there_and_no_block_is_a_mixture(
        steps in steps(),
        blocks in 1u64..420,
        journal_pages in prop_oneof![4u64..20, 20u64..80],
        seed in any::<u64>(),
    ) {
        let mut run = Run::new(blocks, journal_pages, seed);
        for step in &steps {
            run.step(step)?;
        }
        run.disk.disarm();
        run.disk.set_full(None);
        if !run.disk.sync_failed() {
            run.read_all()?;
        }
        // The end of every history: a crash, and then all is well.
        run.disk.crash(5, &mut run.dice);
        run.open()?;
        let report = run.volume().check(&mut |_, _| true).unwrap();
        prop_assert_eq!(report.damages, 0);
        if run.rekeyed {
            prop_assert_eq!(run.volume().key_info().wrapped, vec![9; 3000]);
        }
        let (pages, items) = run.volume().memory();
        prop_assert!(pages <= 64 && items <= 512, "{pages} pages, {items} items");
        run.volume().close().unwrap();
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..ProptestConfig::default()
    };
    if config.cases == 256 {
        config.cases = CASES;
    }
    config
}
