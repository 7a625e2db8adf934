//! Images that can be read while nobody writes to them, to be copied elsewhere: that of a volume that nobody has
//! attached, held, or else a copy that the volume's process makes.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::Context as _;
use keyward_volume::{
    Superblock, Volume, VolumeId,
    disk::{Disk as _, FileDisk},
    superblock,
};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::{
    control::{Request, ask},
    image::{Draft, refused},
    state::Found,
};

/// The directory of a copy in the making, before the volume's id.
const FOLDER: &str = ".keyward-copy-";
/// Locked by whoever makes the copy.
const LOCK: &str = "lock";
/// The copy.
const IMAGE: &str = "image";

/// Opens an image that nobody has open, and keeps others from opening it until what is answered is dropped.
///
/// # Errors
/// When it cannot be opened, or is in use.
pub fn hold(image: &Path) -> anyhow::Result<File> {
    let opened = File::open(image).with_context(|| format!("cannot open {}", image.display()))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(refused(image, keyward_volume::Error::InUse)),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", image.display()))
        }
    }
}

/// Has the process of an attached volume copy it, as it is at one moment, into a directory. The copy is the volume
/// itself, with its id, its generation and its wrapped data key; KMS is not asked. What is answered has no name any
/// more, so that nothing is left when it is dropped.
///
/// # Errors
/// When the volume is cut off or damaged, the directory has no room, or another copy of the volume is being made
/// there.
pub fn of_attached(found: &Found, volume: VolumeId, within: &Path) -> anyhow::Result<File> {
    let folder = fs::canonicalize(within)
        .with_context(|| format!("cannot open {}", within.display()))?
        .join(format!("{FOLDER}{volume}"));
    let shown = folder.display();
    let busy = || {
        format!("another process makes a copy of the volume in {shown}: wait until it has ended")
    };
    let lock = locked(&folder).with_context(|| format!("cannot use {shown}"))?;
    let _lock = lock.with_context(busy)?;
    let image = folder.join(IMAGE);
    // An earlier attempt may have been interrupted.
    remove(&image)?;
    if let Some(dir) = &found.process.dir {
        // What is in the page cache belongs into the copy.
        let open = File::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
        rustix::fs::syncfs(&open)?;
    }
    let request = Request::BackUp { to: image.clone() };
    let made = ask(&found.folder, &request, &mut |_, _| {})
        .and_then(|_| File::open(&image).map_err(Into::into));
    remove(&image)?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {shown}"))?;
    made
}

/// The lock of a directory for this user only, which is created if it is missing; `None` if somebody has it.
fn locked(folder: &Path) -> io::Result<Option<File>> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = folder.symlink_metadata()?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        let why = "it is not a directory of this user: remove it";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let lock = options.open(folder.join(LOCK))?;
    match lock.try_lock() {
        // Whoever had it may have removed it in the meantime.
        Ok(()) => Ok(Some(lock).filter(|lock| lock.metadata().is_ok_and(|lock| lock.nlink() == 1))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Copies an open volume to a new file, as what it is.
pub(crate) fn make(volume: &Volume, to: &Path) -> anyhow::Result<()> {
    let (draft, disk) = Draft::create(to)?;
    volume.back_up_to(&disk)?;
    draft.keep();
    Ok(())
}

/// Looks at what was received, and gives its journal the room on the disk that a new volume's has. `None` if it is no
/// encrypted volume.
///
/// # Errors
/// When it cannot be read, or has no room.
pub fn look_at_received(image: &Path) -> anyhow::Result<Option<Superblock>> {
    let disk = FileDisk::open_to_inspect(image)?;
    let superblock = match superblock::inspect(&disk) {
        Ok(superblock) => superblock,
        Err(keyward_volume::Error::NoSuperblock(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let before_blocks = superblock.layout().region(2);
    let allocated = disk.allocated()?;
    let file = OpenOptions::new().write(true).open(image)?;
    match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, before_blocks) {
        // The file system takes room as it is used.
        Ok(()) | Err(Errno::OPNOTSUPP) => Ok(Some(superblock)),
        Err(error) => Err(io::Error::from(error)).with_context(|| {
            format!(
                "there is no room for the journal of {}, {before_blocks} bytes, beside its {allocated}: make room and try again",
                image.display()
            )
        }),
    }
}
