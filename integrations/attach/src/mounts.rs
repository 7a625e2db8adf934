//! What is mounted in this process's mount namespace
//! (<https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>).

use std::{
    ffi::OsString,
    fs, io,
    os::{fd::AsFd, unix::ffi::OsStringExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{AtFlags, CWD, StatxFlags, statx},
    mount::UnmountFlags,
};

/// The major and minor number of a device.
pub(crate) type DeviceNumber = (u32, u32);

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The device that its file system has.
    pub(crate) device: DeviceNumber,
    /// Where it is mounted.
    pub(crate) point: PathBuf,
}

/// The mounts of a device in this mount namespace, the newest first, which is the order to unmount them in.
pub(crate) fn of(device: DeviceNumber) -> io::Result<Vec<Mount>> {
    newest_first(Path::new("/proc/self"), |mount| mount.device == device)
}

/// The mounts of a device in the mount namespace of a process, which is given by its directory in /proc.
pub(crate) fn of_process(process: &Path, device: DeviceNumber) -> io::Result<Vec<Mount>> {
    newest_first(process, |mount| mount.device == device)
}

fn newest_first(process: &Path, wanted: impl Fn(&Mount) -> bool) -> io::Result<Vec<Mount>> {
    let text = fs::read(process.join("mountinfo"))?;
    let mut found = parse(&text);
    found.retain(wanted);
    found.reverse();
    Ok(found)
}

/// The mounts at exactly this path, the newest first.
pub(crate) fn at(path: &Path) -> io::Result<Vec<Mount>> {
    newest_first(Path::new("/proc/self"), |mount| mount.point == path)
}

/// The mounts below this path, the newest first.
pub(crate) fn below(path: &Path) -> io::Result<Vec<Mount>> {
    newest_first(Path::new("/proc/self"), |mount| {
        mount.point != path && mount.point.starts_with(path)
    })
}

impl Mount {
    /// Unmounts it, unless another file system has been mounted over it. If it is gone, that is no error.
    pub(crate) fn unmount(&self, lazily: bool) -> io::Result<()> {
        match self.must_be_on_top() {
            Ok(()) => unmount(&self.point, lazily),
            Err(error) if of(self.device)?.contains(self) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// An error if a path to the mount leads to another file system, which is mounted over it.
    pub(crate) fn must_be_on_top(&self) -> io::Result<()> {
        if is_in(self.device, CWD, &self.point)? {
            Ok(())
        } else {
            let text = "another file system is mounted over it";
            Err(io::Error::other(text))
        }
    }
}

/// Whether a path, or an open file with an empty path, is in the file system of a device. Asks nobody: the
/// process that serves it may be dead, and a network file system might not answer.
pub(crate) fn is_in(device: DeviceNumber, from: impl AsFd, path: &Path) -> io::Result<bool> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::EMPTY_PATH;
    let found = statx(from, path, flags, StatxFlags::TYPE)?;
    Ok((found.stx_dev_major, found.stx_dev_minor) == device)
}

/// The device of the file system that is mounted at exactly this path; `None` if nothing is.
pub(crate) fn device_of(path: &Path) -> io::Result<Option<DeviceNumber>> {
    Ok(at(path)?.first().map(|mount| mount.device))
}

/// Unmounts what is at a path and follows no link. Nothing there is no error.
pub(crate) fn unmount(path: &Path, lazily: bool) -> io::Result<()> {
    let mut flags = UnmountFlags::NOFOLLOW;
    if lazily {
        flags |= UnmountFlags::DETACH;
    }
    match rustix::mount::unmount(path, flags) {
        // EINVAL: no mount point; somebody else was faster.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tries again for half a second while something is in use: a process that has just been started has a copy
/// of all open files for a moment.
pub(crate) fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..25 {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
    attempt()
}

/// Reads `major:minor`.
pub(crate) fn parse_device(text: &[u8]) -> Option<DeviceNumber> {
    let (major, minor) = std::str::from_utf8(text).ok()?.trim_end().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn parse(text: &[u8]) -> Vec<Mount> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /point options …`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = parse_device(fields.nth(2)?)?;
    let point = unescape(fields.nth(1)?);
    Some(Mount {
        device,
        point: OsString::from_vec(point).into(),
    })
}

/// Blanks, tabs, line breaks and backslashes are written as a backslash and three octal digits.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'\\'
            && let [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] = rest
        {
            plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = after;
        } else {
            plain.push(*first);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_the_blanks_and_backslashes_of_its_path() {
        let text = b"36 35 98:0 /mnt1 /mnt/a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw\n\
            37 36 0:45 / /x rw - fuse.y z rw\nnonsense\n";
        let mount = |device, point: &str| Mount {
            device,
            point: point.into(),
        };
        assert_eq!(
            parse(text),
            [mount((98, 0), "/mnt/a b\\c"), mount((0, 45), "/x")]
        );
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape(b"a\\9\\04"), b"a\\9\\04");
        assert_eq!(unescape(b"\\377\\400"), b"\xff\\400");
    }
}
