//! What a volume needs of the disk under it.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use crate::Error;

/// A disk with direct offsets. It may lose, reorder and tear what was written since the last successful
/// [`sync`](Disk::sync), down to sectors of 512 bytes.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Fills a buffer from an offset; what lies behind the end or was never written is zeros.
    ///
    /// # Errors
    /// What the operating system reports.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// What the operating system reports. Any part of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything durable that was written before.
    ///
    /// # Errors
    /// What the operating system reports. Nobody then knows what was kept.
    fn sync(&self) -> io::Result<()>;

    /// Gives the space of a range back; it then reads as zeros, or as before if the disk cannot do it.
    ///
    /// # Errors
    /// What the operating system reports.
    fn punch(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Makes the disk this long. What is added reads as zeros.
    ///
    /// # Errors
    /// What the operating system reports.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// How many bytes of it take space.
    ///
    /// # Errors
    /// What the operating system reports.
    fn allocated(&self) -> io::Result<u64>;
}

/// An image file, which no other process can open as a [`FileDisk`] at the same time.
#[derive(Debug)]
pub struct FileDisk(File);

impl FileDisk {
    /// Creates a file, of mode 0600, that must not exist.
    ///
    /// # Errors
    /// When it exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let disk = Self::locked(options.open(path)?)?;
        // The name must be as durable as the content.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(disk)
    }

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// When it cannot be opened, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::locked(OpenOptions::new().read(true).write(true).open(path)?)
    }

    /// Uses a file that is open for reading and writing.
    ///
    /// # Errors
    /// When another process has it open as one.
    pub fn of(file: File) -> Result<Self, Error> {
        Self::locked(file)
    }

    /// Opens a file for reading, to inspect it beside a process that uses it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_to_inspect(path: &Path) -> Result<Self, Error> {
        Ok(Self(File::open(path)?))
    }

    /// Uses a file that is open for reading, to inspect it.
    pub const fn to_inspect(file: File) -> Self {
        Self(file)
    }

    fn locked(file: File) -> Result<Self, Error> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

impl Disk for FileDisk {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => {
                    rest.fill(0);
                    break;
                }
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.0, flags, offset, length) {
            // The file system has no holes; the space stays taken, and nothing else changes.
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocated(&self) -> io::Result<u64> {
        // st_blocks counts 512 bytes, whatever the file system's own blocks are.
        Ok(self.0.metadata()?.blocks() * 512)
    }
}
