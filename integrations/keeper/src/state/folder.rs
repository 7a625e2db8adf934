//! The directory of one volume: its lock, its log, and what its process says.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use keyward_attach::volume_dir::VolumeDir;

use super::{Found, Process, VERSION};

/// Locked while a volume's process lives.
pub(crate) const LOCK: &str = "process.lock";
/// What it says of itself.
pub(super) const RECORD: &str = "process.json";
/// How often it is tried to lock it, and after which time each.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// One volume's own directory, for root only.
#[derive(Clone, Debug)]
pub struct Folder(pub(super) PathBuf);

impl Folder {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log of the volume's process.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What ties loop device and mounts to the volume.
    ///
    /// # Errors
    /// When somebody else could use it.
    pub fn place(&self) -> anyhow::Result<VolumeDir> {
        Ok(VolumeDir::open(&self.0.join("place"))?)
    }

    /// Locks the directory for this process, until what is answered is dropped.
    ///
    /// # Errors
    /// When the volume has a process already.
    pub fn lock(&self) -> anyhow::Result<File> {
        let file = private(&self.0.join(LOCK))?;
        for _ in 0..LOOKS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // Perhaps somebody only looks whether the process lives.
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_LOOKS),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        bail!("the volume has a process already")
    }

    /// Says what this process does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&self, process: &Process) -> anyhow::Result<()> {
        let (path, draft) = (self.0.join(RECORD), self.0.join("process.draft"));
        let write = || {
            let mut file = private(&draft)?;
            file.write_all(&serde_json::to_vec(process)?)?;
            // Else a machine that stops may leave an empty record.
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Drops what was said.
    ///
    /// # Errors
    /// When it cannot be dropped.
    pub fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.0.join(RECORD)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What was said, if anything, and if it can be read.
    pub(super) fn said(&self) -> anyhow::Result<Option<Option<Process>>> {
        let path = self.0.join(RECORD);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let process = serde_json::from_slice(&bytes).ok();
        Ok(Some(
            process.filter(|process: &Process| process.version == VERSION),
        ))
    }

    /// Whether the volume has a process.
    pub(crate) fn is_locked(&self) -> bool {
        match File::open(self.0.join(LOCK)) {
            Ok(lock) => matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    pub(super) fn found(self) -> anyhow::Result<Option<Found>> {
        let Some(said) = self.said()? else {
            return Ok(None);
        };
        let lives = self.is_locked();
        match said {
            Some(process) => Ok(Some(Found {
                process,
                lives,
                folder: self,
            })),
            None if lives => bail!(
                "{} was not written by this release",
                self.0.join(RECORD).display()
            ),
            // Nobody is there whom it could be about.
            None => Ok(None),
        }
    }
}

/// A file for this user only, empty unless it is the lock.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}
