//! Images that can be read while nobody writes to them, to be copied elsewhere: that of a volume that nobody has
//! attached, held, or else a copy that the volume's process makes.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use keyward_agent::files::open_file;
use keyward_volume::{ImageId, Superblock, disk::FileDisk, superblock};
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use crate::{
    control::{Request, ask_with},
    image::refused,
    nameless,
    state::Found,
};

/// Opens the image of a volume that nobody has open, and keeps others from opening it until what is answered is
/// dropped.
///
/// # Errors
/// When it cannot be opened, is in use, or is another file by now.
pub fn hold(image: &Path, volume: ImageId) -> anyhow::Result<File> {
    let shown = image.display();
    let opened = match open_file(image) {
        // It can be opened, and is none.
        Err(error) if error.raw_os_error().is_none() => {
            bail!("{shown} is not a file any more: somebody has exchanged it")
        }
        opened => opened.with_context(|| format!("cannot open {shown}"))?,
    };
    match opened.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(refused(image, keyward_volume::Error::InUse));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {shown}"));
        }
    }
    // The path may name another file than before, such as one that only root can read.
    let found = look_at(&opened).with_context(|| format!("cannot read {shown}"))?;
    if found.is_none_or(|found| found.volume_id != volume) {
        bail!("{shown} is not the image of volume {volume} any more: somebody has exchanged it");
    }
    Ok(opened)
}

/// Has the process of an attached volume copy it, as it is at one moment, on the disk of a directory. The copy is the
/// volume itself, with its id, its generation and its wrapped data key; KMS is not asked. It never has a name, so
/// that nothing is left when it is dropped, and nobody who may write to the directory can exchange it.
///
/// `grows` is called when the copy has grown, about once a second.
///
/// # Errors
/// When the volume is cut off or damaged, or the directory has no room or cannot be written to.
pub fn of_attached(
    found: &Found,
    volume: ImageId,
    within: &Path,
    grows: &(dyn Fn() + Sync),
) -> anyhow::Result<File> {
    let copy = nameless::within(within)?;
    if let Some(dir) = &found.process.dir {
        // What is in the page cache belongs into the copy.
        let open = File::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
        rustix::fs::syncfs(&open)?;
    }
    while_it_grows(&copy, grows, || {
        ask_with(&found.folder, &Request::BackUp, Some(&copy), &mut |_, _| {})
    })?;
    if look_at(&copy)?.is_none_or(|made| made.volume_id != volume) {
        bail!("the volume's process did not copy volume {volume}");
    }
    Ok(copy)
}

/// Does something that writes to a file, and tells whenever the file has grown meanwhile.
fn while_it_grows<T>(file: &File, grows: &(dyn Fn() + Sync), work: impl FnOnce() -> T) -> T {
    const LOOK: Duration = Duration::from_secs(1);
    thread::scope(|scope| {
        let (done, waits) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut before = 0;
            while waits.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let now = file.metadata().map_or(before, |found| found.blocks());
                if now != before {
                    before = now;
                    grows();
                }
            }
        });
        let worked = work();
        drop(done);
        worked
    })
}

/// What can be read of an image without its key; `None` if it is no encrypted volume.
///
/// # Errors
/// When it cannot be read.
pub fn look_at(image: &File) -> anyhow::Result<Option<Superblock>> {
    match superblock::inspect(&FileDisk::to_inspect(image.try_clone()?)) {
        Ok(superblock) => Ok(Some(superblock)),
        Err(keyward_volume::Error::NoSuperblock(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Looks at what was received, and gives its journal the room on the disk that a new volume's has. `None` if it is no
/// encrypted volume.
///
/// # Errors
/// When it cannot be read, or has no room.
pub fn look_at_received(image: &File, shown: &Path) -> anyhow::Result<Option<Superblock>> {
    let Some(superblock) = look_at(image)? else {
        return Ok(None);
    };
    let before_blocks = superblock.layout().region(2);
    let allocated = image.metadata()?.blocks().saturating_mul(512);
    match fallocate(image, FallocateFlags::KEEP_SIZE, 0, before_blocks) {
        // The file system takes room as it is used.
        Ok(()) | Err(Errno::OPNOTSUPP) => Ok(Some(superblock)),
        Err(error) => Err(io::Error::from(error)).with_context(|| {
            let shown = shown.display();
            format!(
                "there is no room for the journal of {shown}, {before_blocks} bytes, beside its {allocated}: make room and try again"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const VOLUME: ImageId = ImageId::from_bytes([7; 16]);

    #[test]
    fn it_is_told_that_a_file_grows_and_not_that_it_does_not() {
        let file = tempfile::tempfile().unwrap();
        let (told, heard) = mpsc::channel();
        let grows = || told.send(()).unwrap();
        let written = while_it_grows(&file, &grows, || {
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 1 << 20).unwrap();
            heard.recv().unwrap();
            7
        });
        assert_eq!(written, 7);
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn a_file_that_took_the_place_of_an_image_is_not_held() {
        let home = tempfile::tempdir().unwrap();
        let (other, link) = (home.path().join("other"), home.path().join("link"));
        std::fs::write(&other, "a file that only root can read").unwrap();
        symlink(&other, &link).unwrap();
        let refused = |path: &Path| hold(path, VOLUME).unwrap_err().to_string();
        assert_eq!(
            refused(&link),
            format!(
                "{} is not a file any more: somebody has exchanged it",
                link.display()
            )
        );
        assert_eq!(
            refused(&other),
            format!(
                "{} is not the image of volume {VOLUME} any more: somebody has exchanged it",
                other.display()
            )
        );
    }
}
