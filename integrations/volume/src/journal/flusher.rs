//! Makes the journal durable: whoever asks first syncs for all who wait.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::{Condvar, Mutex};

use crate::{Error, disk::Disk};

/// Syncs the disk, one sync at a time: an error of the disk is reported once, and two syncs at the same
/// time could hide it from each other.
#[derive(Debug)]
pub(crate) struct Flusher {
    disk: Arc<dyn Disk>,
    /// The last record that was written.
    appended: AtomicU64,
    /// The last record that is known to be durable.
    flushed: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    failed: bool,
}

impl Flusher {
    /// A flusher of a journal whose last record is this one, and durable.
    pub(crate) fn new(disk: Arc<dyn Disk>, last: u64) -> Self {
        Self {
            disk,
            appended: AtomicU64::new(last),
            flushed: AtomicU64::new(last),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Notes down that a record was written.
    pub(crate) fn appended(&self, sequence: u64) {
        self.appended.store(sequence, Ordering::Release);
    }

    /// The last record that is known to be durable.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// Whether a sync has failed, after which nothing is written any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().failed
    }

    /// Makes all records durable that were written before the call.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let target = self.appended.load(Ordering::Acquire);
        self.sync_unless(|| self.flushed() >= target)
    }

    /// Makes all writes durable that were done before the call, records or not.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.sync_unless(|| false)
    }

    /// Nobody knows any more what the disk has; as after a failed sync.
    pub(crate) fn fail(&self) {
        self.state.lock().failed = true;
        self.changed.notify_all();
    }

    fn sync_unless(&self, done: impl Fn() -> bool) -> Result<(), Error> {
        let mut state = self.state.lock();
        loop {
            if state.failed {
                return Err(Error::Failed);
            }
            if done() {
                return Ok(());
            }
            if !state.running {
                break;
            }
            self.changed.wait(&mut state);
        }
        state.running = true;
        drop(state);
        let appended = self.appended.load(Ordering::Acquire);
        let result = self.disk.sync();
        let mut state = self.state.lock();
        state.running = false;
        state.failed |= result.is_err();
        if result.is_ok() {
            self.flushed.fetch_max(appended, Ordering::AcqRel);
        }
        drop(state);
        self.changed.notify_all();
        result.map_err(Error::Io)
    }
}
