//! Brings home what is in the journal, and commits superblocks.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Volume,
    create::{blocks, session},
};
use crate::{
    Error,
    journal::index::{Index, Item},
    layout::{BLOCK_BYTES, Layout},
    seal::Keys,
    superblock::{JournalStart, KeyInfo, Superblock},
    tree::{
        Link,
        update::{Update, Written},
    },
};

/// The most bytes that go home with one write.
const RUN_BYTES: usize = 256 * 1024;
/// Bytes that go home between two syncs: a flush waits for no more than these.
const SYNC_BYTES: usize = 4 << 20;
/// How long the background waits after the disk has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a superblock is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Only if something goes home.
    Home,
    /// In any case.
    Always,
    /// In any case; the volume is closed.
    Close,
}

impl Volume {
    /// Brings home all that was written before the call, so that the journal is empty, and returns the
    /// generation.
    ///
    /// # Errors
    /// When the key is gone, no room is left, or the disk fails. What was flushed is safe in any case.
    pub fn checkpoint(&self) -> Result<u64, Error> {
        self.keys()?;
        let mut committed = self.committed.lock();
        self.empty_journal(&mut committed)?;
        Ok(committed.generation)
    }

    /// Checkpoints, marks the image as closed, wipes the keys, and returns the last generation. Writers wait
    /// meanwhile. If it fails, the volume stays open, and they go on.
    ///
    /// # Errors
    /// As for a checkpoint.
    pub fn close(&self) -> Result<u64, Error> {
        let mut committed = self.committed.lock();
        self.keys()?;
        {
            // Whoever appends has looked before, with the log held.
            let _log = self.log.lock();
            self.closing.store(true, Ordering::Release);
        }
        if let Err(error) = self.drain(&mut committed, Why::Close) {
            self.closing.store(false, Ordering::Release);
            return Err(error);
        }
        self.closed.store(true, Ordering::Release);
        let generation = committed.generation;
        drop(committed);
        self.wipe();
        Ok(generation)
    }

    /// Makes the volume larger, to so many bytes.
    ///
    /// # Errors
    /// When it is not larger or too large, the key is gone, or the disk fails.
    pub fn grow(&self, size: u64) -> Result<(), Error> {
        self.keys()?;
        let mut committed = self.committed.lock();
        let blocks = blocks(size)?;
        if blocks < committed.blocks {
            return Err(Error::Argument("a volume cannot become smaller"));
        }
        if self.flusher.has_failed() {
            return Err(Error::Failed);
        }
        self.disk.set_len(self.layout.image_bytes(blocks))?;
        let keys = self.keys()?;
        let mut next = committed.following()?;
        next.blocks = blocks;
        self.commit(&keys, &mut committed, next)?;
        self.blocks.store(blocks, Ordering::Release);
        Ok(())
    }

    /// Replaces what is said about the data key: the key itself stays, but is wrapped anew.
    ///
    /// # Errors
    /// When a limit is exceeded, the key is gone, or the disk fails.
    pub fn rekey(&self, key: KeyInfo) -> Result<u64, Error> {
        key.check()?;
        let mut committed = self.committed.lock();
        // Not before: a volume that was closed meanwhile is not written to.
        let keys = self.keys()?;
        let mut next = committed.following()?;
        next.key = key;
        self.commit(&keys, &mut committed, next)?;
        Ok(committed.generation)
    }

    /// What is said about the data key.
    pub fn key_info(&self) -> KeyInfo {
        self.committed.lock().key.clone()
    }

    /// Brings home full regions as they fill up, so that writers need not; for a thread of its own. Returns
    /// when the volume was closed or its key is gone.
    ///
    /// # Errors
    /// When the disk has failed for good. While it has no room, it is tried again every second.
    pub fn run_checkpoints(&self) -> Result<(), Error> {
        loop {
            {
                let mut due = self.due.lock();
                while !*due && self.keys().is_ok() {
                    self.due_changed.wait(&mut due);
                }
                *due = false;
            }
            if self.keys().is_err() {
                return Ok(());
            }
            let result = self.go_home(&mut self.committed.lock(), Why::Home);
            match result {
                Ok(()) => {}
                Err(Error::KeyGone | Error::Closed) => return Ok(()),
                Err(Error::NoSpace | Error::Io(_)) if !self.flusher.has_failed() => {
                    let mut due = self.due.lock();
                    self.due_changed.wait_for(&mut due, PAUSE);
                    *due = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the volume is closed, or closing it has failed.
    pub(super) fn await_close(&self) {
        drop(self.committed.lock());
    }

    /// Wakes the thread that brings regions home.
    pub(super) fn wake(&self) {
        *self.due.lock() = true;
        self.due_changed.notify_all();
    }

    /// Begins a session of the journal after the volume was opened, when what was replayed has gone home.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let mut committed = self.committed.lock();
        let found = self.view.read().frozen.is_some();
        match self.go_home(&mut committed, Why::Always) {
            // What was found in the journal stays there for now.
            Err(Error::NoSpace | Error::Io(_)) if found && !self.flusher.has_failed() => {
                self.wake();
                Ok(())
            }
            other => other,
        }
    }

    /// Gets room in the journal for a writer that found the region full that begins with this record.
    pub(super) fn make_room(&self, seen: Option<u64>) -> Result<(), Error> {
        let mut committed = self.committed.lock();
        self.keys()?;
        // Another writer may have got it meanwhile.
        if self.log.lock().first() != seen {
            return Ok(());
        }
        self.go_home(&mut committed, Why::Home)?;
        if self.log.lock().first() == seen {
            self.switch();
        }
        drop(committed);
        self.wake();
        Ok(())
    }

    /// Brings home all that is in the journal.
    pub(super) fn empty_journal(&self, committed: &mut Superblock) -> Result<(), Error> {
        self.drain(committed, Why::Home)
    }

    fn drain(&self, committed: &mut Superblock, why: Why) -> Result<(), Error> {
        if self.flusher.has_failed() {
            return Err(Error::Failed);
        }
        self.go_home(committed, Why::Home)?;
        if self.switch() || why != Why::Home {
            // What is frozen now waits for no writer to fill the other region.
            self.go_home(committed, why).inspect_err(|_| self.wake())?;
        }
        Ok(())
    }

    /// Continues in the other region of the journal, unless this one is empty or the other occupied.
    fn switch(&self) -> bool {
        let mut log = self.log.lock();
        let mut view = self.view.write();
        if view.active.is_empty() || view.frozen.is_some() || !log.switch() {
            return false;
        }
        view.frozen = Some(Arc::new(std::mem::take(&mut view.active)));
        true
    }

    /// Brings home what is frozen, commits it, and frees its region.
    fn go_home(&self, committed: &mut Superblock, why: Why) -> Result<(), Error> {
        let keys = self.live_keys()?;
        let frozen = self.view.read().frozen.clone();
        if frozen.is_none() && why == Why::Home {
            return Ok(());
        }
        let mut next = committed.following()?;
        next.clean = why == Why::Close;
        let mut written = Vec::new();
        if let Some(index) = &frozen {
            // Not before it is durable: a block that is torn on its way home is in the journal.
            self.flusher.flush()?;
            (next.root, written) = self.copy_home(&keys, index, committed.root, next.generation)?;
            self.flusher.sync()?;
        }
        let begins = {
            let log = self.log.lock();
            let start = log.start(self.flusher.flushed());
            next.journal = start.unwrap_or_else(|| JournalStart {
                session: session(&*self.nonces),
                region: 0,
                sequence: log.next(),
                previous: [0; 32],
                flushed: log.next() - 1,
            });
            start.is_none()
        };
        self.commit(&keys, committed, next)?;
        {
            let mut view = self.view.write();
            view.frozen = None;
            view.root = committed.root;
        }
        for (level, index, child, node) in written {
            self.tree.keep(level, index, child, node);
        }
        // Whoever looked before may still be reading from the region, or from the old slots of pages.
        for lock in &self.locks {
            drop(lock.write());
        }
        let mut log = self.log.lock();
        if begins {
            log.begin(committed.journal);
        } else {
            log.release();
        }
        log.set_generation(committed.generation);
        Ok(())
    }

    /// Copies blocks to their homes, and writes the pages of the tree that say so.
    fn copy_home(
        &self,
        keys: &Keys,
        index: &Index,
        root: Link,
        generation: u64,
    ) -> Result<(Link, Vec<Written>), Error> {
        let mut update = Update::new(&self.tree, keys, root, generation);
        let mut run: Vec<u8> = Vec::with_capacity(RUN_BYTES);
        let (mut run_start, mut unsynced) = (0, 0);
        for (block, item) in index.iter() {
            self.live_keys()?;
            if unsynced >= SYNC_BYTES {
                self.flusher.sync()?;
                unsynced = 0;
            }
            match item {
                Item::Discarded(length) => update.clear(block, *length)?,
                Item::Written(place) => {
                    let home = self.layout.block(block);
                    if home != run_start + run.len() as u64 || run.len() >= RUN_BYTES {
                        self.write_run(run_start, &run)?;
                        unsynced += run.len();
                        run.clear();
                        run_start = home;
                    }
                    let mut bytes = [0; BLOCK_BYTES];
                    self.disk.read_at(place.offset, &mut bytes)?;
                    run.extend_from_slice(&bytes);
                    update.set(block, place.sealed)?;
                }
            }
        }
        self.write_run(run_start, &run)?;
        update.finish()
    }

    fn write_run(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if !bytes.is_empty() {
            self.disk.write_at(offset, bytes)?;
        }
        Ok(())
    }

    /// Writes both copies of a superblock, one after the other, so that one of them is always good.
    pub(super) fn commit(
        &self,
        keys: &Keys,
        committed: &mut Superblock,
        next: Superblock,
    ) -> Result<(), Error> {
        let bytes = next.render(keys);
        for copy in [0, 1] {
            if self.flusher.has_failed() {
                return Err(Error::Failed);
            }
            if let Err(error) = self.disk.write_at(Layout::superblock(copy), &bytes) {
                // Nobody knows which of the two states is on the disk now.
                self.flusher.fail();
                return Err(error.into());
            }
            self.flusher.sync()?;
        }
        self.generation.store(next.generation, Ordering::Release);
        *committed = next;
        Ok(())
    }
}
