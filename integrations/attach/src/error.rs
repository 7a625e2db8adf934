//! What can go wrong, step by step.

use std::{fmt, io, path::PathBuf};

/// A step of attaching or of taking away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Preparing the private directory, or what it records.
    VolumeDir,
    /// Mounting the FUSE file system and its first exchange with the kernel.
    Serve,
    /// Binding the loop device to the served file.
    Bind,
    /// Running a program of e2fsprogs.
    Run,
    /// Mounting ext4.
    Mount,
    /// Mounting a directory of it in another place.
    BindMount,
    /// Telling the loop device of the volume's new size.
    Resize,
    /// Writing everything that is still only in memory.
    Flush,
    /// Shutting ext4 down, so that nothing of it can be read or written.
    ShutDown,
    /// Aborting the FUSE connection, so that nobody waits for the process that serves.
    Abort,
    /// Unmounting ext4.
    Unmount,
    /// Letting the loop device go.
    Unbind,
    /// Unmounting the FUSE file system.
    Unserve,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VolumeDir => "prepare",
            Self::Serve => "serve the volume at",
            Self::Bind => "bind a loop device to",
            Self::Run => "run",
            Self::Mount => "mount ext4 on",
            Self::BindMount => "mount the volume on",
            Self::Resize => "resize",
            Self::Flush => "flush",
            Self::ShutDown => "shut down the file system on",
            Self::Abort => "abort the FUSE connection of",
            Self::Unmount => "unmount",
            Self::Unbind => "let go",
            Self::Unserve => "unmount the served file at",
        })
    }
}

/// Why a step failed. What the kernel said is the source, which the message does not repeat.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("cannot {step} `{at}`")]
    Step {
        /// What was to be done.
        step: Step,
        /// With what.
        at: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The directory is one that others can use.
    #[error(
        "`{at}` must be a directory that belongs to user {uid} and that nobody else can use (mode 0700)"
    )]
    NotPrivate {
        /// The directory.
        at: PathBuf,
        /// The user of this process.
        uid: u32,
    },
    /// A process serves a volume in this place.
    #[error("a volume is already served at `{at}`, by process {pid}")]
    Served {
        /// The directory.
        at: PathBuf,
        /// What the other process says of itself; empty if it has not said anything yet.
        pid: String,
    },
    /// No process serves a volume in this place.
    #[error("no process serves a volume at `{at}`")]
    NotServed {
        /// The directory.
        at: PathBuf,
        /// What the kernel says of the file.
        source: io::Error,
    },
    /// A loop device is bound already.
    #[error("`{at}` is already attached, as `{device}`")]
    Attached {
        /// The directory.
        at: PathBuf,
        /// The loop device.
        device: PathBuf,
    },
    /// The loop device is no longer that of this place.
    #[error("`{device}` is no longer bound to the volume at `{at}`")]
    Gone {
        /// The directory.
        at: PathBuf,
        /// The loop device.
        device: PathBuf,
    },
    /// The volume's size is none that a loop device can have.
    #[error("the volume has {bytes} bytes; it must have a multiple of 4096, and not 0")]
    Size {
        /// Its size.
        bytes: u64,
    },
    /// The kernel did not accept direct I/O.
    #[error(
        "the kernel does not use direct I/O on `{device}`, so that pages would be cached twice"
    )]
    NotDirect {
        /// The loop device.
        device: PathBuf,
    },
    /// The disk that an image is on is full.
    #[error("no room is left on the disk of `{image}`: free some space there")]
    NoRoom {
        /// The image.
        image: PathBuf,
    },
    /// There is something on the device that formatting would destroy.
    #[error("`{device}` is not empty, and is not formatted")]
    NotEmpty {
        /// The loop device.
        device: PathBuf,
    },
    /// A program is missing.
    #[error("`{tool}` is missing: install the package {package}")]
    NoTool {
        /// Its name.
        tool: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program failed.
    #[error("{tool} failed ({status}): {report}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// How it ended.
        status: String,
        /// What it wrote.
        report: String,
    },
    /// The file system has errors that are not repaired without a person.
    #[error(
        "the file system on `{device}` has errors that e2fsck does not repair by itself; make a copy of the volume, then run `e2fsck -f {device}`: {report}"
    )]
    Damaged {
        /// The loop device.
        device: PathBuf,
        /// What e2fsck found.
        report: String,
    },
    /// The kernel lets only a process with CAP_SYS_RESOURCE grow an ext4 that is mounted.
    #[error(
        "`{device}` is mounted, and growing a mounted ext4 needs the capability CAP_SYS_RESOURCE, which this process does not have: add it, or unmount the file system first"
    )]
    CannotGrowMounted {
        /// The loop device.
        device: PathBuf,
    },
    /// A directory is not in the file system, or leads out of it.
    #[error(
        "there is no directory `{within}` on the volume that can be reached without a symbolic link"
    )]
    NoDirectory {
        /// As it was named.
        within: String,
        /// What the kernel says of it.
        source: io::Error,
    },
    /// Something is mounted on a directory already.
    #[error(
        "something is mounted on `{at}` already (`findmnt {at}` says what): unmount it first, or choose another directory"
    )]
    Occupied {
        /// The directory.
        at: PathBuf,
    },
    /// Somebody other than root could put another directory in the place of the one to mount on.
    #[error(
        "somebody other than root can write to `{at}`, and could put another directory in the place of `{target}`, on which the volume would be mounted again: choose a directory all of whose parent directories belong to root, and in which nobody else can write, such as one in /mnt or /srv"
    )]
    Exchangeable {
        /// The directory to mount on.
        target: PathBuf,
        /// The directory above it that is the reason.
        at: PathBuf,
    },
    /// Nothing of ours is mounted on a directory.
    #[error("no volume is mounted on `{at}`")]
    NotBound {
        /// The directory.
        at: PathBuf,
    },
    /// Somebody uses the file system or the device.
    #[error("`{at}` is in use{}", of(.holders))]
    Busy {
        /// The mount point or the device.
        at: PathBuf,
        /// The processes that have files of it open, as far as they can be seen; empty if none can, as when
        /// it is mounted in a container.
        holders: Vec<String>,
    },
}

fn of(holders: &[String]) -> String {
    if holders.is_empty() {
        "; perhaps it is also mounted in a container".to_owned()
    } else {
        format!(" by {}", holders.join(", "))
    }
}

/// Says at which step, and with what, the kernel refused.
pub(crate) trait At<T> {
    /// See the trait.
    fn at(self, step: Step, at: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, at: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Step {
            step,
            at: at.into(),
            source: source.into(),
        })
    }
}
