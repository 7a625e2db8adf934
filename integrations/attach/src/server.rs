//! Serves a volume to the kernel, as the only file of a FUSE mount.
//!
//! The file is opened with direct I/O, so that the kernel caches none of its pages: ext4's page cache above
//! the loop device is the only one. Writes of several threads run in parallel, and so do the parts of a
//! large request.

use std::{
    fs::OpenOptions,
    io,
    num::NonZeroUsize,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use fuser::{Config, Session, SessionACL};
use rustix::mount::MountFlags;

use crate::{
    blocks::{Blocks, SECTOR_BYTES},
    cut_off::cut_off,
    error::{At as _, Error, Step},
    mounts,
    volume_dir::VolumeDir,
};

mod file;

/// The device through which the kernel asks.
pub(crate) const FUSE: &str = "/dev/fuse";
/// How long shutting down what a dead process left may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A volume that is served by this process until its mount ends.
#[derive(Debug)]
pub struct Server {
    thread: JoinHandle<io::Result<()>>,
    place: VolumeDir,
}

/// Serves a volume in a place, on so many threads. A flush occupies one of them until the data is on disk.
///
/// If an earlier process was killed here, what it left is taken away first, as by
/// [`cut_off`]; and if something cannot be taken away, that is the error.
///
/// # Errors
/// When another process serves in this place, when the volume has no possible size, or when the kernel refuses.
pub fn serve(
    place: &VolumeDir,
    blocks: Arc<dyn Blocks>,
    threads: NonZeroUsize,
) -> Result<Server, Error> {
    let bytes = blocks.len();
    if bytes == 0 || !bytes.is_multiple_of(SECTOR_BYTES) {
        return Err(Error::Size { bytes });
    }
    let lock = place.lock_server()?;
    let left = cut_off(place, PATIENCE);
    for point in &left.lazily_unmounted {
        tracing::warn!(point = %point.display(), "a mount of a process that was killed is still in use");
    }
    if let Some(device) = &left.held {
        tracing::warn!(device = %device.display(), "a loop device of a process that was killed is still held");
    }
    if let Some(error) = left.failures.into_iter().next() {
        return Err(error);
    }
    let point = place.mount_point();
    let connection = mount(place).at(Step::Serve, &point)?;
    let mut config = Config::default();
    config.n_threads = Some(threads.get());
    config.clone_fd = true;
    let file = file::OneFile::new(blocks);
    // Only this user; what the kernel asks for the loop device, it asks as root.
    let started = Session::from_fd(file, connection, SessionACL::Owner, config);
    let started = started.and_then(|session| {
        let worker = thread::Builder::new().name("volume".to_owned());
        worker.spawn(move || {
            // Released when all threads have ended.
            let _lock = lock;
            // Inherited by the session's threads. `process::prepare` reports that it is not allowed.
            let _ = rustix::process::configure_io_flusher_behavior(true);
            session.run()
        })
    });
    match started {
        Ok(thread) => Ok(Server {
            thread,
            place: place.clone(),
        }),
        Err(error) => {
            let _ = mounts::unmount(&point, true);
            Err(error).at(Step::Serve, point)
        }
    }
}

fn mount(place: &VolumeDir) -> io::Result<OwnedFd> {
    let connection = OpenOptions::new().read(true).write(true).open(FUSE)?;
    let data = format!(
        "fd={},rootmode=40700,user_id={},group_id={},default_permissions",
        connection.as_raw_fd(),
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let data = std::ffi::CString::new(data)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NOATIME;
    let point = place.mount_point();
    rustix::mount::mount("keyward", point, "fuse.keyward", flags, data.as_c_str())?;
    Ok(connection.into())
}

impl Server {
    /// Waits until the mount has ended, by [`detach`](crate::attachment::detach) or
    /// [`cut_off`], and all threads with it.
    ///
    /// # Errors
    /// When a thread could not go on serving.
    pub fn wait(self) -> Result<(), Error> {
        let ended = self.thread.join();
        let ended = ended.unwrap_or_else(|_| Err(io::Error::other("the thread panicked")));
        ended.at(Step::Serve, self.place.mount_point())
    }

    /// Whether the mount has ended, so that [`wait`](Server::wait) returns at once.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}
