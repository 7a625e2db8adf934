//! A disk in memory that crashes, tears, reorders and fails.

use std::{collections::BTreeMap, io, sync::Mutex};

use keyward_volume::disk::Disk;

/// Bytes that are written as a whole or not at all.
pub const SECTOR: usize = 512;

/// A small generator of numbers that are the same in each run (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }
}

/// What happens at the armed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine stops: this and all later operations fail, until `crash`.
    Stop,
    /// This operation fails, and no other.
    Error,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// What has been made durable.
    durable: Vec<u8>,
    /// What reads show.
    cache: Vec<u8>,
    /// What each sector held since the last sync, with the number of the operation that wrote it.
    pending: BTreeMap<usize, Vec<(u64, [u8; SECTOR])>>,
    operations: u64,
    /// How many of them have changed anything.
    changes: u64,
    armed: Option<(u64, Fault)>,
    stopped: bool,
    /// Writes behind this offset fail for want of room.
    full_from: Option<u64>,
    /// Whether they wait before they fail, and whether one does.
    holds: bool,
    held: bool,
    faults: u64,
    sync_failed: bool,
    dice: u64,
}

/// The disk.
#[derive(Debug, Default)]
pub struct Sim(Mutex<State>);

impl Sim {
    /// A disk with this content, all of it durable.
    pub fn of(bytes: Vec<u8>) -> Self {
        let sim = Self::default();
        sim.set(|state| {
            state.durable = bytes.clone();
            state.cache = bytes;
        });
        sim
    }

    /// What reads show.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().cache.clone()
    }

    /// Changes bytes behind everybody's back.
    pub fn alter(&self, change: impl FnOnce(&mut Vec<u8>)) {
        self.set(|state| {
            change(&mut state.cache);
            state.durable = state.cache.clone();
        });
    }

    /// Arms a fault some operations from now.
    pub fn arm(&self, after: u64, fault: Fault, dice: u64) {
        self.set(|state| {
            state.armed = Some((state.operations + after, fault));
            state.dice = dice;
        });
    }

    pub fn disarm(&self) {
        self.set(|state| state.armed = None);
    }

    /// Whether the armed stop has come.
    pub fn is_stopped(&self) -> bool {
        self.0.lock().unwrap().stopped
    }

    /// How many faults have come, those for want of room included.
    pub fn faults(&self) -> u64 {
        self.0.lock().unwrap().faults
    }

    /// Whether a sync has failed since the last crash.
    pub fn sync_failed(&self) -> bool {
        self.0.lock().unwrap().sync_failed
    }

    /// From now on there is no room behind this offset, or there is again.
    pub fn set_full(&self, from: Option<u64>) {
        self.set(|state| state.full_from = from);
    }

    /// From now on writes wait before they fail for want of room, or they do no longer.
    pub fn set_hold(&self, holds: bool) {
        self.set(|state| (state.holds, state.held) = (holds, false));
    }

    /// Whether a write waits.
    pub fn is_held(&self) -> bool {
        self.0.lock().unwrap().held
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// How many operations have written something, or made it durable.
    pub fn changes(&self) -> u64 {
        self.0.lock().unwrap().changes
    }

    /// A disk in the same state, with the same that is not durable yet.
    pub fn copy(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap().clone()))
    }

    /// The process dies and the machine goes on: reads show all that was written, durable or not.
    pub fn kill(&self) {
        self.set(|state| {
            state.stopped = false;
            state.armed = None;
        });
    }

    /// The machine stops and starts again: of what was not synced, some is there and some is not.
    pub fn crash(&self, mode: u8, dice: &mut Dice) {
        self.set(|state| {
            let pending = std::mem::take(&mut state.pending);
            let last = state.operations;
            let cut = last - dice.below(last.min(60) + 1);
            for (sector, versions) in pending {
                let kept = match mode % 6 {
                    0 => None,
                    1 => versions.last(),
                    // All up to some operation, none later.
                    2 => versions.iter().rfind(|(at, _)| *at <= cut),
                    // The other way round: reordered.
                    3 => versions.last().filter(|(at, _)| *at > cut),
                    4 => versions.last().filter(|_| dice.below(2) == 0),
                    // Any version of each sector.
                    _ => match dice.below(versions.len() as u64 + 1) {
                        0 => None,
                        n => versions.get(n as usize - 1),
                    },
                };
                if let Some((_, bytes)) = kept {
                    let at = sector * SECTOR;
                    if state.durable.len() < at + SECTOR {
                        state.durable.resize(at + SECTOR, 0);
                    }
                    state.durable[at..at + SECTOR].copy_from_slice(bytes);
                }
            }
            state.cache = state.durable.clone();
            state.stopped = false;
            state.armed = None;
            state.sync_failed = false;
        });
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl State {
    fn has_no_room(&self, offset: u64) -> bool {
        self.full_from.is_some_and(|from| offset >= from)
    }

    /// Counts an operation; what comes of it.
    fn fault(&mut self) -> Option<Fault> {
        self.operations += 1;
        if self.stopped {
            return Some(Fault::Stop);
        }
        let fault = match self.armed {
            Some((at, fault)) if at <= self.operations => fault,
            _ => return None,
        };
        self.armed = None;
        self.faults += 1;
        self.stopped = fault == Fault::Stop;
        Some(fault)
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset.is_multiple_of(SECTOR) && bytes.len().is_multiple_of(SECTOR));
        self.changes += 1;
        if self.cache.len() < offset + bytes.len() {
            self.cache.resize(offset + bytes.len(), 0);
        }
        self.cache[offset..offset + bytes.len()].copy_from_slice(bytes);
        for (at, sector) in bytes.as_chunks::<SECTOR>().0.iter().enumerate() {
            let versions = self.pending.entry(offset / SECTOR + at).or_default();
            versions.push((self.operations, *sector));
        }
    }

    /// The part of a write that failed which took place all the same.
    fn write_part(&mut self, offset: usize, bytes: &[u8]) {
        let mut dice = Dice(self.dice);
        self.dice = dice.roll();
        let sectors = (bytes.len() / SECTOR) as u64;
        let kept = dice.below(sectors + 1) as usize * SECTOR;
        self.write(offset, &bytes[..kept]);
    }
}

fn failed() -> io::Error {
    io::Error::other("injected")
}

impl Disk for Sim {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fault().is_some() {
            return Err(failed());
        }
        let from = (offset as usize).min(state.cache.len());
        let to = (offset as usize + bytes.len()).min(state.cache.len());
        bytes.fill(0);
        bytes[..to - from].copy_from_slice(&state.cache[from..to]);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        while state.holds && state.has_no_room(offset) {
            state.held = true;
            drop(state);
            std::thread::yield_now();
            state = self.0.lock().unwrap();
        }
        let was_stopped = state.stopped;
        let no_room = state.has_no_room(offset);
        let offset = offset as usize;
        if state.fault().is_some() {
            if !was_stopped {
                state.write_part(offset, bytes);
            }
            return Err(failed());
        }
        if no_room {
            state.faults += 1;
            state.write_part(offset, bytes);
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.write(offset, bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let was_stopped = state.stopped;
        match state.fault() {
            None => {}
            Some(Fault::Stop) => return Err(failed()),
            Some(Fault::Error) if was_stopped => return Err(failed()),
            Some(Fault::Error) => {
                // Some of it is durable; the rest is shown until a crash, and never becomes so.
                let mut dice = Dice(state.dice);
                let pending = std::mem::take(&mut state.pending);
                for (sector, versions) in pending {
                    if dice.below(2) == 0
                        && let Some((_, bytes)) = versions.last()
                    {
                        let at = sector * SECTOR;
                        if state.durable.len() < at + SECTOR {
                            state.durable.resize(at + SECTOR, 0);
                        }
                        state.durable[at..at + SECTOR].copy_from_slice(bytes);
                    }
                }
                state.sync_failed = true;
                state.changes += 1;
                return Err(failed());
            }
        }
        state.changes += 1;
        let pending = std::mem::take(&mut state.pending);
        let length = state.cache.len();
        state.durable.resize(length, 0);
        for sector in pending.into_keys() {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            let state = &mut *state;
            state.durable[range.clone()].copy_from_slice(&state.cache[range]);
        }
        Ok(())
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fault().is_some() {
            return Err(failed());
        }
        let end = ((offset + length) as usize).min(state.cache.len());
        let zeros = vec![0; end.saturating_sub(offset as usize)];
        state.write(offset as usize, &zeros);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fault().is_some() {
            return Err(failed());
        }
        // Whether the length was durable makes no difference: what is not there reads as zeros.
        state.cache.resize(length as usize, 0);
        Ok(())
    }

    fn allocated(&self) -> io::Result<u64> {
        let state = self.0.lock().unwrap();
        let (sectors, _) = state.cache.as_chunks::<SECTOR>();
        let used = sectors.iter().filter(|sector| **sector != [0; SECTOR]);
        Ok((used.count() * SECTOR) as u64)
    }
}
