//! A volume in a plain sparse file.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use keyward_attach::blocks::Blocks;
use rustix::fs::{FallocateFlags, fallocate};

/// A volume in a plain sparse file.
#[derive(Debug)]
pub struct SparseFile(File);

impl SparseFile {
    /// Opens a file, creates it (mode 0600) if it does not exist, and makes it at least `bytes` bytes long.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = Self(options.open(path)?);
        file.grow(bytes)?;
        Ok(file)
    }

    /// Makes it at least `bytes` bytes long.
    pub fn grow(&self, bytes: u64) -> io::Result<()> {
        if self.0.metadata()?.len() < bytes {
            self.0.set_len(bytes)?;
            self.0.sync_all()?;
        }
        Ok(())
    }
}

impl Blocks for SparseFile {
    fn len(&self) -> u64 {
        // A file that cannot be measured has no byte that could be read.
        self.0.metadata().map_or(0, |found| found.len())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn discard(&self, offset: u64, length: u64) -> io::Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.0, hole, offset, length)?)
    }
}
