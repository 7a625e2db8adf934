//! A directory of a mounted volume, mounted in another place as well.
//!
//! Under each such mount lies a guard: an empty file system that nobody can write to. When the volume is cut off, all
//! its mounts are gone ([`cut_off`](crate::attachment::cut_off)), and without the guard programs would go on writing to
//! the directory below: what was to be encrypted would be on the machine's own disk.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
    mount::{MountFlags, mount_bind, mount_remount},
};

use crate::{
    attachment::Attachment,
    error::{At as _, Error, Step},
    holders,
    mounts::{self, DeviceNumber},
    target::Target,
};

/// What a guard is called in the list of mounts.
const GUARD: &str = "keyward-guard";

/// What is mounted on a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing of ours.
    Nothing,
    /// A guard alone: the volume is not there at the moment.
    Guard,
    /// A directory of a volume, or something that was mounted over it.
    Volume,
}

/// What is mounted on a directory.
///
/// # Errors
/// When the kernel's list cannot be read.
pub fn look(target: &Path) -> Result<Bound, Error> {
    let on = sources(target).at(Step::BindMount, target)?;
    Ok(match on.as_slice() {
        on if !on.iter().any(|source| source == GUARD) => Bound::Nothing,
        [.., last] if last == GUARD => Bound::Guard,
        _ => Bound::Volume,
    })
}

/// Mounts a directory of an attached volume on another one, which exists. `from` is where the volume is mounted, and
/// `within` a path from there. Symbolic links on the volume are not followed: whoever writes to it must not choose what
/// is mounted.
///
/// The target is reached without a symbolic link as well, and only root may be able to put another directory in its
/// place: whoever could would choose where root mounts.
///
/// It is a step like any other: a cut-off finds the mount, or this finds the volume gone. If the volume was mounted
/// there and has been cut off since, the guard is still there and stays.
///
/// # Errors
/// When something else is mounted there, somebody else could exchange the target, the directory is not on the volume, the
/// volume is gone, or the kernel refuses.
pub fn mount(
    attachment: &Attachment,
    (from, within): (&Path, &str),
    target: &Path,
    read_only: bool,
) -> Result<(), Error> {
    let _lock = attachment.lock()?;
    let opened = Target::of_root(target, Step::BindMount)?;
    let on = sources(target).at(Step::BindMount, target)?;
    let guarded = match on.as_slice() {
        [] => false,
        [only] if only == GUARD => true,
        _ => {
            let at = target.to_owned();
            return Err(Error::Occupied { at });
        }
    };
    let number = attachment.device_number()?;
    let source = directory((from, number), within)?;
    if !guarded {
        guard(opened.path()).at(Step::BindMount, target)?;
    }
    let bound = bind(&source, opened.path(), read_only);
    if bound.is_err() && !guarded {
        // What cannot be taken away is in nobody's way, and goes with `unmount`.
        let _ = mounts::unmount(opened.path(), false);
    }
    bound.at(Step::BindMount, target)
}

fn bind(source: &OwnedFd, target: &Path, read_only: bool) -> io::Result<()> {
    mount_bind(format!("/proc/self/fd/{}", source.as_raw_fd()), target)?;
    if !read_only {
        return Ok(());
    }
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID;
    if let Err(error) = mount_remount(target, flags, "") {
        // It must not stay writable.
        mounts::unmount(target, true)?;
        return Err(error.into());
    }
    Ok(())
}

/// Takes all of ours away from a directory.
///
/// # Errors
/// [`Error::NotBound`] if nothing of ours is there, [`Error::Busy`] if it is in use.
pub fn unmount(target: &Path) -> Result<(), Error> {
    loop {
        let opened = Target::open(target, Step::Unmount)?;
        let on = sources(target).at(Step::Unmount, target)?;
        if !on.iter().any(|source| source == GUARD) {
            let at = target.to_owned();
            return Err(Error::NotBound { at });
        }
        let is_guard = on.last().is_some_and(|last| last == GUARD);
        match mounts::patiently(|| mounts::unmount(opened.path(), false)) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                let device = mounts::device_of(target).at(Step::Unmount, target)?;
                return Err(Error::Busy {
                    at: target.to_owned(),
                    holders: device.map(holders::of).unwrap_or_default(),
                });
            }
            unmounted => unmounted.at(Step::Unmount, target)?,
        }
        if is_guard {
            return Ok(());
        }
    }
}

/// Takes the volume away from a directory, whoever uses it, and leaves the guard: whoever has files open there keeps
/// them until they are closed or the volume is cut off.
///
/// # Errors
/// When the kernel refuses.
pub fn withdraw(target: &Path) -> Result<(), Error> {
    while look(target)? == Bound::Volume {
        let opened = Target::open(target, Step::Unmount)?;
        mounts::unmount(opened.path(), true).at(Step::Unmount, target)?;
    }
    Ok(())
}

/// What is mounted somewhere below a directory, the newest first: as long as something is, the directory cannot be
/// unmounted.
///
/// # Errors
/// When the kernel's list cannot be read.
pub fn below(target: &Path) -> Result<Vec<PathBuf>, Error> {
    let found = mounts::below(target).at(Step::Unmount, target)?;
    Ok(found.into_iter().map(|mount| mount.point).collect())
}

fn guard(target: &Path) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    let data = c"mode=0555,size=4k,nr_inodes=2";
    rustix::mount::mount(GUARD, target, "tmpfs", flags, data)?;
    Ok(())
}

/// A directory of a volume, reached without leaving it.
fn directory((from, number): (&Path, DeviceNumber), within: &str) -> Result<OwnedFd, Error> {
    let root = File::open(from).at(Step::BindMount, from)?;
    // Where the volume is not mounted, there is a directory of the machine's own.
    if !mounts::is_in(number, &root, Path::new("")).at(Step::BindMount, from)? {
        let text = "the volume is not mounted there";
        return Err(io::Error::other(text)).at(Step::BindMount, from);
    }
    let within = within.trim_start_matches('/');
    let path = if within.is_empty() { "." } else { within };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    openat2(&root, path, flags, Mode::empty(), resolve).map_err(|source| Error::NoDirectory {
        within: within.to_owned(),
        source: source.into(),
    })
}

/// What is mounted at exactly this path in this mount namespace, by its source, the oldest first.
fn sources(target: &Path) -> io::Result<Vec<String>> {
    let text = std::fs::read("/proc/self/mountinfo")?;
    let lines = text.split(|byte| *byte == b'\n');
    let found = lines.filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let point = mounts::unescape(fields.nth(4)?);
        if point != target.as_os_str().as_encoded_bytes() {
            return None;
        }
        // Optional fields, a hyphen, the kind of file system, and the source.
        let source = fields.skip_while(|field| *field != b"-").nth(2)?;
        Some(String::from_utf8_lossy(&mounts::unescape(source)).into_owned())
    });
    Ok(found.collect())
}

/// Whether two processes see the same mounts.
///
/// # Errors
/// When one of them has ended, or may not be looked at.
pub fn sees_the_same_mounts(process: u32) -> io::Result<bool> {
    let of =
        |process: &str| rustix::fs::readlinkat(CWD, format!("/proc/{process}/ns/mnt"), Vec::new());
    Ok(of("self")? == of(&process.to_string())?)
}
