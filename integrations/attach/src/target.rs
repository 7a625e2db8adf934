//! A directory to mount on, which nobody can exchange for another one meanwhile.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2};

use crate::error::{At as _, Error, Step};

/// The user who may do everything anyway.
const ROOT: u32 = 0;
/// Who may write to a directory: its group and others; and whether only owners may remove what is in it.
const WRITABLE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// A directory, reached without a symbolic link.
#[derive(Debug)]
pub(crate) struct Target {
    #[expect(dead_code, reason = "the path leads through it while it is open")]
    parent: OwnedFd,
    /// Leads to it by way of the parent, wherever that is by now.
    path: PathBuf,
}

impl Target {
    /// Opens a directory, which is given by an absolute path without links. What becomes of the path afterwards makes no
    /// difference.
    ///
    /// # Errors
    /// When there is none, or the way to it has a symbolic link.
    pub(crate) fn open(path: &Path, step: Step) -> Result<Self, Error> {
        Self::walk(path, step, |_, _, _| Ok(()))
    }

    /// The same, if only root can put another directory in its place. What is mounted again by a path would otherwise be
    /// mounted where somebody else wants it.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and [`Error::Exchangeable`].
    pub(crate) fn of_root(path: &Path, step: Step) -> Result<Self, Error> {
        Self::walk(path, step, |at, above, child| {
            let (above, child) = (fstat(above).at(step, at)?, fstat(child).at(step, at)?);
            let writable = above.st_mode & WRITABLE != 0;
            let kept = above.st_mode & STICKY != 0 && child.st_uid == ROOT;
            if above.st_uid != ROOT || writable && !kept {
                return Err(Error::Exchangeable {
                    target: path.to_owned(),
                    at: at.to_owned(),
                });
            }
            Ok(())
        })
    }

    /// Leads to it for the kernel.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn walk(
        path: &Path,
        step: Step,
        check: impl Fn(&Path, &OwnedFd, &OwnedFd) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut way = path.components();
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        if way.next() != Some(Component::RootDir) {
            return Err(invalid()).at(step, path);
        }
        let mut at = PathBuf::from("/");
        let mut folder = directory(CWD, OsStr::new("/")).at(step, path)?;
        let mut found = None;
        for part in way {
            let Component::Normal(name) = part else {
                return Err(invalid()).at(step, path);
            };
            let child = directory(&folder, name).at(step, path)?;
            check(&at, &folder, &child)?;
            at.push(name);
            found = Some((std::mem::replace(&mut folder, child), name));
        }
        let (parent, name) = found.ok_or_else(invalid).at(step, path)?;
        let path = format!("/proc/self/fd/{}", parent.as_raw_fd());
        let path = Path::new(&path).join(name);
        Ok(Self { parent, path })
    }
}

fn directory(from: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat2(
        from,
        name,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )?)
}
