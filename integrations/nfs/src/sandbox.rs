//! What an nfs-ganesha can see: a network that is only `lo`, the system's programs, its own directory, and the one
//! directory that it exports.
//!
//! A thread enters the sandbox and starts the process from there. Nobody else on the machine can connect to the
//! process, so that nobody gets around the checks of this crate, and the process sees neither other volumes nor
//! the machine's network. The exported directory is a mount of its own, made from an open directory: whatever
//! clients rename or link afterwards, it stays this directory, and for the process there is no way up from it.

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::CWD,
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
        mount_change, mount_remount, move_mount, open_tree, unmount,
    },
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType},
};

use crate::{
    error::{At as _, Error, Step},
    unshare,
};

/// Where the exported directory is in the sandbox.
pub(crate) const EXPORT: &str = "/export";

/// What programs need of the system. Links such as /lib are made again.
const SYSTEM: [&str; 7] = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/proc"];
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// What is brought into a sandbox, taken before it is entered.
#[derive(Debug)]
pub(crate) struct Luggage {
    trees: Vec<(PathBuf, OwnedFd)>,
    links: Vec<(PathBuf, PathBuf)>,
    export: OwnedFd,
    is_writable: bool,
}

impl Luggage {
    /// Takes the system's directories, the directory `own`, and the directory to export. What is mounted below
    /// the latter is not exported.
    pub(crate) fn pack(own: &Path, export: &OwnedFd, is_writable: bool) -> Result<Self, Error> {
        let mut trees = Vec::new();
        let mut links = Vec::new();
        for path in SYSTEM
            .into_iter()
            .chain(DEVICES)
            .map(Path::new)
            .chain([own])
        {
            let Ok(found) = fs::symlink_metadata(path) else {
                continue;
            };
            if found.is_symlink() {
                let target = fs::read_link(path).at(Step::Sandbox, path)?;
                links.push((path.to_owned(), target));
                continue;
            }
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(CWD, path, flags).at(Step::Sandbox, path)?;
            trees.push((path.to_owned(), tree));
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let export = open_tree(export.as_fd(), "", flags).at(Step::Sandbox, EXPORT)?;
        Ok(Self {
            trees,
            links,
            export,
            is_writable,
        })
    }

    /// Moves the calling thread into a sandbox. `stage` is a directory that the sandbox is built on; it does not
    /// change.
    pub(crate) fn enter(self, stage: &Path) -> Result<(), Error> {
        unshare::network_and_mounts().at(Step::Sandbox, "/")?;
        raise_loopback().at(Step::Sandbox, "lo")?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).at(Step::Sandbox, "/")?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", stage, "tmpfs", flags, Some(c"mode=0755,size=1m"))
            .at(Step::Sandbox, stage)?;
        for (path, tree) in self.trees {
            // Only the process's own directory is written to.
            let is_system =
                SYSTEM.iter().any(|system| path == Path::new(system)) && path != Path::new("/proc");
            attach(stage, &path, &tree, is_system)?;
        }
        for (path, target) in self.links {
            std::os::unix::fs::symlink(target, within(stage, &path)).at(Step::Sandbox, path)?;
        }
        attach(stage, Path::new(EXPORT), &self.export, !self.is_writable)?;
        let old = within(stage, Path::new("/old"));
        fs::create_dir(&old).at(Step::Sandbox, &old)?;
        rustix::process::pivot_root(stage, &old).at(Step::Sandbox, stage)?;
        rustix::process::chdir("/").at(Step::Sandbox, "/")?;
        unmount("/old", UnmountFlags::DETACH).at(Step::Sandbox, "/old")?;
        Ok(())
    }
}

/// Unmounts the exported directory in the sandbox of the calling thread.
pub(crate) fn leave() -> io::Result<()> {
    match unmount(EXPORT, UnmountFlags::NOFOLLOW) {
        Err(_) => Ok(unmount(
            EXPORT,
            UnmountFlags::NOFOLLOW | UnmountFlags::DETACH,
        )?),
        Ok(()) => Ok(()),
    }
}

fn within(stage: &Path, path: &Path) -> PathBuf {
    stage.join(path.strip_prefix("/").unwrap_or(path))
}

fn attach(stage: &Path, path: &Path, tree: &OwnedFd, is_read_only: bool) -> Result<(), Error> {
    let point = within(stage, path);
    let parent = point.parent().unwrap_or(stage);
    fs::create_dir_all(parent).at(Step::Sandbox, path)?;
    if path.starts_with("/dev") {
        fs::write(&point, "").at(Step::Sandbox, path)?;
    } else {
        fs::create_dir_all(&point).at(Step::Sandbox, path)?;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree.as_fd(), "", CWD, &point, flags).at(Step::Sandbox, path)?;
    if is_read_only {
        let flags = MountFlags::BIND | MountFlags::RDONLY;
        mount_remount(&point, flags, c"").at(Step::Sandbox, path)?;
    }
    Ok(())
}

/// Brings up the loopback interface, which is down in a new network: one RTM_NEWLINK message
/// (<https://man7.org/linux/man-pages/man7/rtnetlink.7.html>).
fn raise_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_WITH_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    // The loopback interface is the first of every network.
    const LOOPBACK: i32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_WITH_ACK.to_ne_bytes());
    // The number of the message and the sender's, which nobody needs; then family, padding and type.
    message.extend([0; 12]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is the protocol 0.
        None,
    )?;
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0_u8; 512];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    // After the header of 16 bytes, the negative error number.
    let error = answer
        .get(16..20)
        .and_then(|bytes| bytes.first_chunk().copied());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
