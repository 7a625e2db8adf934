//! One loop device: bound to the file of a place, looked at, and let go.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsFd as _,
        unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use crate::{
    blocks::SECTOR_BYTES,
    error::{At as _, Error, Step},
    ioctl,
    mounts::{self, DeviceNumber, Mount},
    volume_dir::{Binding, VolumeDir},
};

/// The device that gives out free loop devices.
pub(crate) const CONTROL: &str = "/dev/loop-control";
/// What is another one after each start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// How often a free device is asked for; somebody else may be faster each time.
const ATTEMPTS: usize = 100;
/// How often, and after which time each, it is looked whether a device has been let go.
const LOOKS: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A loop device that is bound to the file of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoopDevice {
    number: u32,
    node: PathBuf,
    file: PathBuf,
    /// None if the kernel is older than 5.15, and before it is bound.
    binding: Option<Binding>,
}

impl LoopDevice {
    /// Binds a free loop device to the file of a place.
    pub(crate) fn bind(place: &VolumeDir) -> Result<Self, Error> {
        let path = place.file();
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = options.open(&path).map_err(|source| Error::NotServed {
            at: place.path().to_owned(),
            source,
        })?;
        let control = options.open(CONTROL).at(Step::Bind, CONTROL)?;
        for _ in 0..ATTEMPTS {
            let number = ioctl::free_loop_device(&control).at(Step::Bind, CONTROL)?;
            let mut device = Self::new(number, &path, None);
            let node = options.open(&device.node).at(Step::Bind, &device.node)?;
            // First the record: a device that was bound without one would be nobody's.
            place.record(number, None)?;
            // The end of the path says more than its beginning, and 63 bytes are all there is.
            let name = path.as_os_str().as_encoded_bytes();
            let name = name.get(name.len().saturating_sub(63)..).unwrap_or(name);
            match ioctl::bind_loop_device(&node, file.as_fd(), SECTOR_BYTES as u32, name) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => continue,
                Err(error) => {
                    place.forget()?;
                    return Err(error).at(Step::Bind, &device.node);
                }
            }
            if !device.is_direct().at(Step::Bind, &device.node)? {
                ioctl::unbind_loop_device(&node).at(Step::Unbind, &device.node)?;
                place.forget()?;
                let device = device.node;
                return Err(Error::NotDirect { device });
            }
            let told = device.tell_apart(place.is_served().then_some(&file));
            let told = told.at(Step::Bind, &device.node);
            let told = told.and_then(|binding| {
                place.record(number, binding.as_ref())?;
                Ok(binding)
            });
            match told {
                Ok(binding) => device.binding = binding,
                Err(error) => {
                    ioctl::unbind_loop_device(&node).at(Step::Unbind, &device.node)?;
                    place.forget()?;
                    return Err(error);
                }
            }
            return Ok(device);
        }
        place.forget()?;
        let busy = io::Error::from(io::ErrorKind::ResourceBusy);
        Err(busy).at(Step::Bind, CONTROL)
    }

    /// By what the kernel tells this binding from all others; nothing if it does not. `served` is the file that a process
    /// serves.
    fn tell_apart(&self, served: Option<&File>) -> io::Result<Option<Binding>> {
        let Some(sequence) = self.sequence()? else {
            return Ok(None);
        };
        // The number of the connection is that of the file system's anonymous device.
        let served = served.map(File::metadata).transpose()?;
        let connection = served.map(|found| rustix::fs::minor(found.dev()));
        Ok(Some(Binding {
            boot: boot()?,
            sequence,
            connection,
        }))
    }

    /// The recorded loop device of a place, if it is still bound to the place's file.
    pub(crate) fn find(place: &VolumeDir) -> Result<Option<Self>, Error> {
        let Some((number, binding)) = place.recorded()? else {
            return Ok(None);
        };
        let device = Self::new(number, &place.file(), binding);
        let bound = device.is_bound().at(Step::VolumeDir, &device.node)?;
        Ok(bound.then_some(device))
    }

    fn new(number: u32, file: &Path, binding: Option<Binding>) -> Self {
        let node = PathBuf::from(format!("/dev/loop{number}"));
        let file = file.to_owned();
        Self {
            number,
            node,
            file,
            binding,
        }
    }

    /// Its path, such as `/dev/loop3`.
    pub(crate) fn node(&self) -> &Path {
        &self.node
    }

    /// What the kernel says of it. Reading this asks neither the device nor the process that serves.
    fn told(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(format!("/sys/block/loop{}/{name}", self.number)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // The device was let go between opening and reading.
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it is bound to the place's file. Its path is another one when somebody has renamed the image, or has
    /// unmounted the served file lazily; the binding is the same then.
    pub(crate) fn is_bound(&self) -> io::Result<bool> {
        let Some(path) = self.backing_file()? else {
            return Ok(false);
        };
        Ok(path == self.file || self.is_same_binding()?)
    }

    /// The file that it is bound to, as the kernel calls it now.
    pub(crate) fn backing_file(&self) -> io::Result<Option<PathBuf>> {
        let Some(mut path) = self.told("loop/backing_file")? else {
            return Ok(None);
        };
        if path.last() == Some(&b'\n') {
            path.pop();
        }
        Ok(Some(OsString::from_vec(path).into()))
    }

    /// Whether it has not been let go since the binding was recorded. Without one, nobody can say so.
    fn is_same_binding(&self) -> io::Result<bool> {
        let Some(binding) = &self.binding else {
            return Ok(false);
        };
        Ok(self.sequence()? == Some(binding.sequence) && boot()? == binding.boot)
    }

    /// The number that the kernel gives a device anew each time that it is bound or let go.
    fn sequence(&self) -> io::Result<Option<u64>> {
        let Some(told) = self.told("diskseq")? else {
            return Ok(None);
        };
        let sequence = std::str::from_utf8(&told).map(|text| text.trim_end().parse());
        match sequence {
            Ok(Ok(sequence)) => Ok(Some(sequence)),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }

    /// The FUSE connection through which its file is served, if it is known; whoever mounts it or not. It is that of this
    /// device for certain only as long as [`serves_by`](Self::serves_by) says so.
    pub(crate) fn connection(&self) -> Option<u32> {
        self.binding.as_ref()?.connection
    }

    /// Whether its file is served through the connection that was recorded. As long as the device is bound, the kernel
    /// gives the number to no other connection.
    pub(crate) fn serves_by(&self, connection: u32) -> io::Result<bool> {
        let is_recorded = self.connection() == Some(connection);
        Ok(is_recorded && self.is_bound()? && self.is_same_binding()?)
    }

    fn is_direct(&self) -> io::Result<bool> {
        Ok(self.told("loop/dio")?.as_deref() == Some(b"1\n"))
    }

    /// The number that mounts of it have.
    pub(crate) fn device_number(&self) -> io::Result<DeviceNumber> {
        let told = self.told("dev")?.unwrap_or_default();
        mounts::parse_device(&told).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// The mounts of it in this mount namespace, the newest first.
    pub(crate) fn mounts(&self) -> io::Result<Vec<Mount>> {
        mounts::of(self.device_number()?)
    }

    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        let told = self.told("size")?.unwrap_or_default();
        let sectors = std::str::from_utf8(&told).map(|text| text.trim_end().parse::<u64>());
        match sectors {
            Ok(Ok(sectors)) => Ok(sectors * 512),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }

    /// Opens it for reading and writing.
    pub(crate) fn open(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.node)
    }

    /// Opens it, unless it is mounted anywhere. As long as this is open, nobody can mount it.
    pub(crate) fn open_alone(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&self.node, flags, Mode::empty())?.into())
    }

    /// Makes it as large as its file is now.
    pub(crate) fn resize(&self) -> io::Result<()> {
        // So that the kernel asks the server for the size, whatever its version reads it from.
        fs::metadata(&self.file)?;
        ioctl::resize_loop_device(self.open()?)
    }

    /// Lets go of the file, through an open handle of the device. Returns whether the device is free; if
    /// somebody has it open or mounted, the kernel frees it when they have closed it.
    pub(crate) fn unbind(&self, open: File) -> io::Result<bool> {
        // While it is open, nobody can bind it to something else.
        if !self.is_bound()? {
            return Ok(true);
        }
        match ioctl::unbind_loop_device(&open) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        drop(open);
        for _ in 0..LOOKS {
            if !self.is_bound()? {
                return Ok(true);
            }
            // Something like udev may be looking at it.
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(false)
    }
}

/// Which start of the machine this is.
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT)?.trim_end().to_owned())
}
