//! A directory as a place. Whoever owns it may have put anything into it: nothing is followed that leads elsewhere,
//! and nothing is waited for.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat, renameat, statat,
        syncfs, unlinkat,
    },
    io::Errno,
    path::Arg,
};

use crate::{
    Error,
    name::VolumeName,
    objects::{CHUNKS, Each, Key, Objects},
};

const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// A file that is created. What somebody has put in its place is not opened, whatever it is.
pub(crate) const NEW: OFlags = OFlags::CREATE
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const FOR_OWNER: Mode = Mode::RUSR.union(Mode::WUSR);
/// How the name of a file ends that is being written; it begins with a dot.
const DRAFT: &str = ".draft";
/// Locked by whoever changes the copies of a volume.
const LOCK: &str = ".lock";

/// A directory that exists.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    root: File,
}

impl Directory {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let root = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Place {
                place: shown.to_string(),
                why: "there is no such directory. Create it; if it is on a disk of its own, mount that first",
            },
            _ => Error::io("open", shown, source),
        })?;
        let metadata = root
            .metadata()
            .map_err(|source| Error::io("open", path.display(), source))?;
        if !metadata.is_dir() {
            return Err(Error::Place {
                place: path.display().to_string(),
                why: "it is not a directory. Name a directory, or a bucket as s3://BUCKET/PREFIX",
            });
        }
        Ok(Self {
            path: path.to_owned(),
            root,
        })
    }

    /// A folder of it; `None` if there is none.
    fn folder<S: AsRef<str>>(&self, folders: &[S]) -> Result<Option<OwnedFd>, Error> {
        let mut at = self.own()?;
        for folder in folders {
            match openat(&at, folder.as_ref(), FOLDER | OFlags::RDONLY, Mode::empty()) {
                Ok(next) => at = next,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(self.failed("open", folders, error)),
            }
        }
        Ok(Some(at))
    }

    /// The same, but what is missing is created, for this user only.
    fn made<S: AsRef<str>>(&self, folders: &[S]) -> Result<OwnedFd, Error> {
        let mut at = self.own()?;
        for folder in folders {
            let folder = folder.as_ref();
            let opened = match openat(&at, folder, FOLDER | OFlags::RDONLY, Mode::empty()) {
                Err(Errno::NOENT) => {
                    match mkdirat(&at, folder, Mode::RWXU) {
                        // Another thread was faster.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(self.failed("create", folders, error)),
                    }
                    openat(&at, folder, FOLDER | OFlags::RDONLY, Mode::empty())
                }
                opened => opened,
            };
            at = opened.map_err(|error| self.failed("open", folders, error))?;
        }
        Ok(at)
    }

    fn own(&self) -> Result<OwnedFd, Error> {
        let own = self.root.as_fd().try_clone_to_owned();
        own.map_err(|source| Error::io("open", self.path.display(), source))
    }

    fn failed<S: AsRef<str>>(
        &self,
        tried: &str,
        parts: &[S],
        error: impl Into<io::Error>,
    ) -> Error {
        let mut path = self.path.clone();
        path.extend(parts.iter().map(AsRef::as_ref));
        Error::io(tried, path.display(), error)
    }
}

impl Objects for Directory {
    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn whole(&self, key: &Key) -> String {
        self.path.join(key.to_string()).display().to_string()
    }

    fn put(&self, key: &Key, bytes: Vec<u8>) -> Result<(), Error> {
        let (folders, name) = key.split();
        let folder = self.made(folders)?;
        let draft = format!(".{name}{DRAFT}");
        let write = || {
            // What is left of an earlier attempt. Somebody who knows the name may also have put a link to another file
            // or a device there, which must not be written to.
            match unlinkat(&folder, &draft, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            let opened = openat(&folder, &draft, NEW | OFlags::WRONLY, FOR_OWNER);
            let mut file = File::from(opened?);
            file.write_all(&bytes)?;
            // Under its name, it is taken as whole.
            file.sync_all()?;
            Ok(renameat(&folder, &draft, &folder, name)?)
        };
        write().map_err(|error: io::Error| {
            // What is left would take room, of which there may be none.
            let _ = unlinkat(&folder, &draft, AtFlags::empty());
            Error::io("write", self.whole(key), error)
        })
    }

    fn get(&self, key: &Key, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let (folders, name) = key.split();
        let Some(folder) = self.folder(folders)? else {
            return Ok(None);
        };
        let failed = |error| Error::io("read", self.whole(key), error);
        let mut bytes = Vec::new();
        match regular(&folder, name, OFlags::RDONLY) {
            Ok(Some(file)) => {
                let mut file = file.take(limit.saturating_add(1));
                file.read_to_end(&mut bytes).map_err(failed)?;
            }
            Ok(None) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        }
        Ok(Some(bytes))
    }

    fn list(&self, folders: &[&str], each: Each<'_>) -> Result<(), Error> {
        let Some(folder) = self.folder(folders)? else {
            return Ok(());
        };
        let failed = |error: Errno| self.failed("list", folders, error);
        for first in names(&folder).map_err(failed)? {
            if first.starts_with('.') {
                continue;
            }
            let below = match openat(&folder, &first, FOLDER | OFlags::RDONLY, Mode::empty()) {
                Ok(below) => below,
                // What is no folder is not ours.
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => continue,
                Err(error) => return Err(failed(error)),
            };
            for name in names(&below).map_err(failed)? {
                let status = match statat(&below, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(status) => status,
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(failed(error)),
                };
                if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile {
                    each([&first, &name], u64::try_from(status.st_size).unwrap_or(0))?;
                }
            }
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<(), Error> {
        let (folders, name) = key.split();
        let Some(folder) = self.folder(folders)? else {
            return Ok(());
        };
        match unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::io("remove", self.whole(key), error)),
        }
    }

    fn settle(&self) -> Result<(), Error> {
        syncfs(&self.root).map_err(|error| Error::io("write to", self.path.display(), error))
    }

    fn lock(&self, volume: &VolumeName) -> Result<Option<File>, Error> {
        let folders = [CHUNKS, volume.as_str()];
        let folder = self.made(&folders)?;
        let failed =
            |error: io::Error| self.failed("lock", &[CHUNKS, volume.as_str(), LOCK], error);
        match openat(&folder, LOCK, NEW | OFlags::RDWR, FOR_OWNER) {
            Ok(_) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let file = regular(&folder, LOCK, OFlags::RDWR).map_err(|error| failed(error.into()))?;
        // Locking a file that has another name, too, could hold up whoever else locks that one.
        let is_own = |file: &File| Ok(file.metadata()?.nlink() == 1);
        let file = match file {
            Some(file) if is_own(&file).map_err(failed)? => file,
            _ => {
                return Err(failed(io::Error::other(
                    "somebody has put something else in its place than a file with one name. Remove it, and try again",
                )));
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse(format!(
                    "copies of `{volume}` are being sent to {0} or removed from {0} by another process: wait until it has ended",
                    self.path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Now nobody else writes here.
        for first in names(&folder).map_err(|error| failed(error.into()))? {
            match openat(&folder, &first, FOLDER | OFlags::RDONLY, Mode::empty()) {
                Ok(below) => sweep(&below).map_err(|error| failed(error.into()))?,
                // What is no folder is not ours.
                Err(Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        Ok(Some(file))
    }
}

/// Opens a file of a folder that is there; `None` if it is anything else. Nothing else is opened: opening is enough to have
/// some devices do something, and would wait for who writes to a pipe.
pub(crate) fn regular(
    folder: impl AsFd,
    name: impl Arg,
    access: OFlags,
) -> Result<Option<File>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(folder, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    // That very file, whatever has its name by now.
    let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
    let opened = openat(CWD, itself, access | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Some(File::from(opened)))
}

/// The names in a folder that are text; ours are.
fn names(folder: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// Removes what interrupted writes have left in a folder.
fn sweep(folder: &OwnedFd) -> Result<(), Errno> {
    for name in names(folder)? {
        if name.starts_with('.') && name.ends_with(DRAFT) {
            unlinkat(folder, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}
