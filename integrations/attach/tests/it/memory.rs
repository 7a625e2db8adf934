//! A volume in memory, which can be told to fail or to wait.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use keyward_attach::blocks::Blocks;

const BLOCK: u64 = 4096;

/// Blocks of 4096 bytes that are created when they are written, and counters of what was asked.
#[derive(Default)]
pub struct Memory {
    blocks: Mutex<BTreeMap<u64, Vec<u8>>>,
    bytes: AtomicU64,
    pub flushes: AtomicU64,
    pub discards: AtomicU64,
    pub largest_write: AtomicU64,
    /// Every read and write fails so.
    pub fails: Mutex<Option<io::ErrorKind>>,
    /// Every read panics.
    pub panics: AtomicBool,
    /// Every read and write waits until this is false.
    stopped: Mutex<bool>,
    went_on: Condvar,
}

impl Memory {
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes: bytes.into(),
            ..Self::default()
        }
    }

    /// How many bytes are not known to be zeros.
    pub fn held(&self) -> u64 {
        self.blocks.lock().unwrap().len() as u64 * BLOCK
    }

    pub fn fail(&self, kind: io::ErrorKind) {
        *self.fails.lock().unwrap() = Some(kind);
    }

    pub fn stop(&self, stopped: bool) {
        *self.stopped.lock().unwrap() = stopped;
        self.went_on.notify_all();
    }

    fn meet(&self) -> io::Result<()> {
        let stopped = self.stopped.lock().unwrap();
        drop(
            self.went_on
                .wait_while(stopped, |stopped| *stopped)
                .unwrap(),
        );
        match *self.fails.lock().unwrap() {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    /// Calls with every block that a range touches: its number, and where the parts are in block and range.
    fn parts(offset: u64, length: u64, mut part: impl FnMut(u64, usize, usize, usize)) {
        let mut done = 0;
        while done < length {
            let at = offset + done;
            let within = at % BLOCK;
            let count = (BLOCK - within).min(length - done);
            part(at / BLOCK, within as usize, done as usize, count as usize);
            done += count;
        }
    }
}

impl Blocks for Memory {
    fn len(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.meet()?;
        assert!(!self.panics.load(Ordering::SeqCst), "told to panic");
        assert!(offset + bytes.len() as u64 <= self.len());
        let blocks = self.blocks.lock().unwrap();
        Self::parts(offset, bytes.len() as u64, |block, within, at, count| {
            let to = &mut bytes[at..at + count];
            match blocks.get(&block) {
                Some(found) => to.copy_from_slice(&found[within..within + count]),
                None => to.fill(0),
            }
        });
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.meet()?;
        assert!(offset + bytes.len() as u64 <= self.len());
        self.largest_write
            .fetch_max(bytes.len() as u64, Ordering::SeqCst);
        let mut blocks = self.blocks.lock().unwrap();
        Self::parts(offset, bytes.len() as u64, |block, within, at, count| {
            let to = blocks
                .entry(block)
                .or_insert_with(|| vec![0; BLOCK as usize]);
            to[within..within + count].copy_from_slice(&bytes[at..at + count]);
        });
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.meet()?;
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn discard(&self, offset: u64, length: u64) -> io::Result<()> {
        self.meet()?;
        assert!(offset + length <= self.len());
        self.discards.fetch_add(1, Ordering::SeqCst);
        let mut blocks = self.blocks.lock().unwrap();
        Self::parts(offset, length, |block, within, _, count| {
            if count as u64 == BLOCK {
                blocks.remove(&block);
            } else if let Some(found) = blocks.get_mut(&block) {
                found[within..within + count].fill(0);
            }
        });
        Ok(())
    }
}
