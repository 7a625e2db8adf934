//! A served volume as a loop device with ext4 on it.
//!
//! Every function takes the lock of the place, so that two processes do one step after the other. No
//! function needs the process that called another one: what there is, the kernel says, and the place records.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::thread::CapabilitySet;

pub use crate::cut_off::{CutOff, cut_off};
use crate::{
    error::{At as _, Error, Step},
    ext4::{self, Checked, Format, MountOptions},
    holders,
    loop_device::LoopDevice,
    mounts::{self, DeviceNumber, Mount},
    process::is_capable,
    volume_dir::VolumeDir,
};

/// A loop device that is bound to the volume of a place. Dropping this changes nothing.
#[derive(Clone, Debug)]
pub struct Attachment {
    place: VolumeDir,
    device: LoopDevice,
}

impl Attachment {
    /// Binds a loop device to the volume that is served in a place: direct I/O, sectors of 4096 bytes, and
    /// it stays bound until it is let go.
    ///
    /// # Errors
    /// When nobody serves, when a loop device is bound already, or when the kernel refuses.
    pub fn bind(place: &VolumeDir) -> Result<Self, Error> {
        let _lock = place.lock_steps()?;
        if let Some(device) = LoopDevice::find(place)? {
            return Err(Error::Attached {
                at: place.path().to_owned(),
                device: device.node().to_owned(),
            });
        }
        let device = LoopDevice::bind(place)?;
        let place = place.clone();
        Ok(Self { place, device })
    }

    /// The attachment of a place, if there is one; whether somebody still serves it is not asked.
    ///
    /// # Errors
    /// When the record or the kernel's answer cannot be read.
    pub fn find(place: &VolumeDir) -> Result<Option<Self>, Error> {
        let _lock = place.lock_steps()?;
        let device = LoopDevice::find(place)?;
        Ok(device.map(|device| Self {
            place: place.clone(),
            device,
        }))
    }

    /// Whether a place has a loop device, mounted or not. It takes no lock, and so waits for nobody's step.
    ///
    /// # Errors
    /// When the record or the kernel's answer cannot be read.
    pub fn exists(place: &VolumeDir) -> Result<bool, Error> {
        Ok(LoopDevice::find(place)?.is_some())
    }

    /// The loop device, such as `/dev/loop3`.
    pub fn device(&self) -> &Path {
        self.device.node()
    }

    /// The file of the loop device, as the kernel calls it now: one that was deleted has ` (deleted)` at its end. `None` if it has
    /// been let go.
    ///
    /// # Errors
    /// When the kernel's answer cannot be read.
    pub fn backing_file(&self) -> Result<Option<PathBuf>, Error> {
        let node = self.device.node();
        self.device.backing_file().at(Step::VolumeDir, node)
    }

    /// Where the volume is mounted in this process's mount namespace, the newest mount first.
    ///
    /// # Errors
    /// When the kernel's list cannot be read.
    pub fn mount_points(&self) -> Result<Vec<PathBuf>, Error> {
        let mounts = self.mounts()?;
        Ok(mounts.into_iter().map(|mount| mount.point).collect())
    }

    /// Creates an ext4: blocks of 4096 bytes, checksums in its metadata, and nothing left to be initialized
    /// later. The whole volume is discarded first.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] unless `overwrite` is set, [`Error::Busy`] if it is mounted, and what mkfs says.
    pub fn format(&self, format: &Format) -> Result<(), Error> {
        let _lock = self.lock()?;
        self.must_not_be_mounted()?;
        ext4::format(&self.device, format)
    }

    /// Checks the file system before it is mounted (`e2fsck -p`): replays the journal, and repairs what can be
    /// repaired without a decision. After a clean end it takes no time.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a person must decide, [`Error::Busy`] if it is mounted, and what e2fsck says.
    pub fn check(&self) -> Result<Checked, Error> {
        let _lock = self.lock()?;
        self.must_not_be_mounted()?;
        ext4::check(self.device.node(), false)
    }

    /// Mounts it on a directory that exists.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn mount(&self, target: &Path, options: &MountOptions) -> Result<(), Error> {
        let _lock = self.lock()?;
        ext4::mount(self.device.node(), target, options)
    }

    /// Makes the loop device and the file system as large as the volume is now, whether it is mounted or
    /// not. Answers the size in bytes.
    ///
    /// # Errors
    /// [`Error::CannotGrowMounted`] without CAP_SYS_RESOURCE, before anything is changed; and what the
    /// kernel, e2fsck or resize2fs say.
    pub fn grow(&self) -> Result<u64, Error> {
        let _lock = self.lock()?;
        let node = self.device.node();
        let mounted = !self.mounts()?.is_empty();
        if mounted && !is_capable(CapabilitySet::SYS_RESOURCE) {
            let device = node.to_owned();
            return Err(Error::CannotGrowMounted { device });
        }
        self.device.resize().at(Step::Resize, node)?;
        let bytes = self.device.bytes().at(Step::Resize, node)?;
        ext4::resize(node, mounted)?;
        Ok(bytes)
    }

    fn mounts(&self) -> Result<Vec<Mount>, Error> {
        self.device.mounts().at(Step::VolumeDir, self.device.node())
    }

    /// The number that mounts of it have.
    pub(crate) fn device_number(&self) -> Result<DeviceNumber, Error> {
        let node = self.device.node();
        self.device.device_number().at(Step::VolumeDir, node)
    }

    /// The lock, if the device is still that of the place.
    pub(crate) fn lock(&self) -> Result<crate::volume_dir::Lock, Error> {
        let lock = self.place.lock_steps()?;
        if LoopDevice::find(&self.place)?.as_ref() == Some(&self.device) {
            Ok(lock)
        } else {
            Err(Error::Gone {
                at: self.place.path().to_owned(),
                device: self.device.node().to_owned(),
            })
        }
    }

    fn must_not_be_mounted(&self) -> Result<(), Error> {
        match self.mounts()?.first() {
            None => Ok(()),
            Some(mount) => Err(busy(&self.device, &mount.point)),
        }
    }
}

/// The clean end: writes everything, unmounts ext4 (wherever it is mounted in this mount namespace), lets
/// the loop device go, and unmounts the served file, with which
/// [`Server::wait`](crate::server::Server::wait) ends in the process that serves. What is already gone is
/// no error.
///
/// # Errors
/// [`Error::Busy`] if somebody uses it: then nothing that is in use has been taken away, and it can be
/// called again. [`Error::NotServed`] if the process that serves is dead: only [`cut_off`] can help then.
/// An error of [`Step::Flush`] says that not everything could be written; the file system is still mounted.
pub fn detach(place: &VolumeDir) -> Result<(), Error> {
    let _lock = place.lock_steps()?;
    if let Some(device) = LoopDevice::find(place)? {
        // With a dead server, the kernel would unmount as well, and drop what it could not write.
        fs::metadata(place.file()).map_err(|source| Error::NotServed {
            at: place.path().to_owned(),
            source,
        })?;
        unmount_cleanly(&device)?;
    }
    for mount in mounts::at(&place.mount_point()).at(Step::Unserve, place.mount_point())? {
        mounts::patiently(|| mount.unmount(false)).at(Step::Unserve, mount.point)?;
    }
    place.forget()
}

fn unmount_cleanly(device: &LoopDevice) -> Result<(), Error> {
    for mount in device.mounts().at(Step::VolumeDir, device.node())? {
        let point = &mount.point;
        mount.must_be_on_top().at(Step::Unmount, point)?;
        // Unmounting does not tell whether all could be written; this does.
        let root = fs::File::open(point).at(Step::Flush, point)?;
        rustix::fs::syncfs(&root).at(Step::Flush, point)?;
        drop(root);
        match mounts::patiently(|| mount.unmount(false)) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                return Err(busy(device, point));
            }
            ended => ended.at(Step::Unmount, point)?,
        }
    }
    let node = device.node();
    let open = match mounts::patiently(|| device.open_alone()) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            return Err(busy(device, node));
        }
        open => open.at(Step::Unbind, node)?,
    };
    // What unmounting wrote.
    open.sync_all().at(Step::Flush, node)?;
    if device.unbind(open).at(Step::Unbind, node)? {
        Ok(())
    } else {
        Err(busy(device, node))
    }
}

fn busy(device: &LoopDevice, at: &Path) -> Error {
    let number = device.device_number();
    Error::Busy {
        at: at.to_owned(),
        holders: number.map_or_else(|_| Vec::new(), holders::of),
    }
}
