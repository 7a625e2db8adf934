//! Volumes without encryption: an image with ext4 on a loop device. The kernel serves it, and no process has to live.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use keyward_attach::{
    attachment::{Attachment, cut_off, detach},
    error::Error,
    ext4::{Checked, Format, MountOptions, format_new_image},
    freeze::{freeze, thaw},
    volume_dir::VolumeDir,
};
use keyward_keeper::whereabouts::{Whereabouts, file_id, is_elsewhere};
use rustix::{
    fs::{SeekFrom, ioctl_ficlone, seek},
    io::Errno,
};

/// How long shutting a file system down may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the kernel adds to the name of a file that has none any more.
const WITHOUT_NAME: &[u8] = b" (deleted)";
/// What is said of an image that has no name any more.
pub const DELETED: &str =
    "the image was deleted: copy the files of the file system elsewhere, they are all that is left";
/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// A volume without encryption.
#[derive(Debug)]
pub struct Plain<'a> {
    /// The directory that ties the loop device to it.
    pub place: &'a Path,
    /// The image.
    pub image: &'a Path,
    /// Where it is mounted.
    pub dir: &'a Path,
}

impl Plain<'_> {
    /// Creates the image, which must not exist, with an empty file system, and mounts it.
    ///
    /// # Errors
    /// When that fails.
    pub fn make(&self, size: u64) -> anyhow::Result<()> {
        let create = || {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let file = options.open(self.image)?;
            file.set_len(size)?;
            file.sync_all()?;
            match self.image.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        create().with_context(|| format!("cannot create {}", self.image.display()))?;
        format_new_image(self.image, &Format::default())?;
        self.attach()
    }

    /// Mounts it. What is left of an earlier attempt is taken away first.
    ///
    /// # Errors
    /// When that fails.
    pub fn attach(&self) -> anyhow::Result<()> {
        let place = self.open()?;
        taken_away(&place)?;
        let attachment = Attachment::bind(&place)?;
        let mounted = mount(&attachment, self.dir);
        if mounted.is_err() {
            // The error says what was wrong; what is left, the next attempt takes away.
            let _ = detach(&place);
        }
        Ok(mounted?)
    }

    /// Has the image and the file system, which is mounted, be at least so many bytes large, and answers how large the image is.
    ///
    /// # Errors
    /// When it is not mounted, or cannot grow.
    pub fn grow(&self, size: u64) -> anyhow::Result<u64> {
        let attachment = Attachment::find(&self.open()?)?;
        let attachment = attachment.context("the volume is not attached")?;
        let image = OpenOptions::new().write(true).open(self.image)?;
        let size = size.max(image.metadata()?.len());
        image.set_len(size)?;
        image.sync_all()?;
        attachment.grow()?;
        Ok(size)
    }

    /// The same, while it is not attached.
    ///
    /// # Errors
    /// When it is attached, or cannot grow.
    pub fn grow_unmounted(&self, size: u64) -> anyhow::Result<u64> {
        let place = self.open()?;
        let image = OpenOptions::new().write(true).open(self.image)?;
        let size = size.max(image.metadata()?.len());
        image.set_len(size)?;
        image.sync_all()?;
        let grown = Attachment::bind(&place)?.grow();
        detach(&place)?;
        Ok(grown.map(|_| size)?)
    }

    /// Copies the image, which is not attached, to a new file.
    ///
    /// # Errors
    /// When it is attached, the disk fails or has no room, or it may not go on.
    pub fn copy_unmounted(&self, copy: &File, goes_on: &dyn Fn() -> bool) -> anyhow::Result<()> {
        if self.look()?.0 {
            bail!("the volume is attached");
        }
        let image = File::open(self.image)?;
        match ioctl_ficlone(copy, &image) {
            Ok(()) => Ok(()),
            Err(_) => Ok(copy_data(&image, copy, goes_on)?),
        }
    }

    /// Unmounts it, and says so if it is in use.
    ///
    /// # Errors
    /// When it is in use, or the kernel refuses.
    pub fn detach(&self) -> anyhow::Result<()> {
        Ok(detach(&self.open()?)?)
    }

    /// Unmounts it, whoever uses it.
    ///
    /// # Errors
    /// When something of it is left.
    pub fn cut_off(&self) -> anyhow::Result<()> {
        if !self.may_run() {
            return Ok(());
        }
        taken_away(&self.open()?)
    }

    /// Whether it has a loop device, and is mounted where it is to be.
    ///
    /// # Errors
    /// When that cannot be seen.
    pub fn look(&self) -> anyhow::Result<(bool, bool)> {
        if !self.may_run() {
            return Ok((false, false));
        }
        let Some(attachment) = Attachment::find(&self.open()?)? else {
            return Ok((false, false));
        };
        let points = attachment.mount_points()?;
        Ok((true, points.iter().any(|point| point == self.dir)))
    }

    /// Where the image is of which it has a loop device.
    ///
    /// # Errors
    /// When that cannot be seen.
    pub fn whereabouts(&self) -> anyhow::Result<Whereabouts> {
        if !self.may_run() {
            return Ok(Whereabouts::InPlace);
        }
        let attachment = Attachment::find(&self.open()?)?;
        let Some(name) = attachment.map(|found| found.backing_file()).transpose()? else {
            return Ok(Whereabouts::InPlace);
        };
        let Some(name) = name.filter(|name| name != self.image) else {
            return Ok(Whereabouts::InPlace);
        };
        Ok(match file_id(&name) {
            Ok(file) if is_elsewhere(self.image, file) => Whereabouts::Moved(name),
            Ok(_) => Whereabouts::InPlace,
            Err(_) if name.as_os_str().as_encoded_bytes().ends_with(WITHOUT_NAME) => {
                Whereabouts::Deleted(None)
            }
            // It may be called so elsewhere, such as in another mount namespace.
            Err(_) => Whereabouts::InPlace,
        })
    }

    /// Copies the image to a new file, as it is at one moment. Whoever writes to the file system meanwhile waits: for a moment
    /// if the disk's file system can share what the two have in common, and otherwise until all is copied.
    ///
    /// # Errors
    /// When it is not mounted, the disk fails or has no room, or it may not go on.
    pub fn copy(&self, copy: &File, goes_on: &dyn Fn() -> bool) -> anyhow::Result<()> {
        if !self.look()?.1 {
            bail!("the file system is not mounted");
        }
        let own = fs::metadata(self.dir)?.dev();
        // Another file may be in its place.
        let image = match self.whereabouts()? {
            Whereabouts::InPlace => File::open(self.image)?,
            Whereabouts::Moved(name) => File::open(name)?,
            Whereabouts::Deleted(_) => bail!("{DELETED}"),
        };
        if copy.metadata()?.dev() == own {
            bail!("that is on the file system that is to be copied");
        }
        let frozen = freeze(self.dir).context("the file system cannot be frozen")?;
        let copied = match ioctl_ficlone(copy, &image) {
            Ok(()) => Ok(()),
            Err(_) => copy_data(&image, copy, goes_on),
        };
        drop(frozen);
        Ok(copied?)
    }

    /// Lets writers go on if an agent has ended that had them wait.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&self) -> anyhow::Result<()> {
        match self.look()?.1 {
            true => Ok(thaw(self.dir)?),
            false => Ok(()),
        }
    }

    /// Whether there is an image, or was one: somebody may have renamed it while it is mounted.
    fn may_run(&self) -> bool {
        self.image.exists() || self.place.exists()
    }

    fn open(&self) -> Result<VolumeDir, Error> {
        VolumeDir::of_image(self.place, self.image)
    }
}

/// Copies what is not a hole.
fn copy_data(from: &File, to: &File, goes_on: &dyn Fn() -> bool) -> io::Result<()> {
    let end = from.metadata()?.len();
    to.set_len(end)?;
    let mut bytes = vec![0; PIECE];
    let mut at = 0;
    while at < end {
        at = match seek(from, SeekFrom::Data(at)) {
            Ok(at) => at,
            // There is none behind.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(from, SeekFrom::Hole(at))?;
        while at < hole {
            if !goes_on() {
                return Err(io::Error::other("the agent ends"));
            }
            let length = usize::try_from(hole - at).unwrap_or(PIECE).min(PIECE);
            let piece = bytes.get_mut(..length).unwrap_or_default();
            from.read_exact_at(piece, at)?;
            to.write_all_at(piece, at)?;
            at += length as u64;
        }
    }
    Ok(())
}

fn taken_away(place: &VolumeDir) -> anyhow::Result<()> {
    let done = cut_off(place, PATIENCE);
    if let Some(device) = done.held {
        return Err(anyhow!(
            "{} is still held by somebody who has it open",
            device.display()
        ));
    }
    match done.failures.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn mount(attachment: &Attachment, dir: &Path) -> Result<(), Error> {
    if let Checked::Repaired { report } = attachment.check()? {
        tracing::warn!(report, "the file system was repaired");
    }
    // What is deleted gives its space back to the machine.
    let options = MountOptions {
        ext4: vec!["discard".to_owned()],
        ..MountOptions::default()
    };
    attachment.mount(dir, &options)
}
