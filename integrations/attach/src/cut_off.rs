//! The cut-off: nothing of a volume can be read or written any more, and everything is taken away, whoever
//! uses it.

use std::{
    collections::BTreeSet,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use crate::{
    error::{At as _, Error, Step},
    holders, ioctl,
    loop_device::LoopDevice,
    mounts::{self, DeviceNumber, Mount},
    volume_dir::VolumeDir,
};

/// What the cut-off found and did.
#[derive(Debug, Default)]
#[must_use = "steps may have failed"]
pub struct CutOff {
    /// Mounts that were in use. They are out of sight, and the processes that have files open there get EIO.
    pub lazily_unmounted: Vec<PathBuf>,
    /// The loop device, if somebody still has it open or mounted in another mount namespace. The kernel
    /// frees it when they let go; until then every request to it fails.
    pub held: Option<PathBuf>,
    /// Processes that have files of it mapped, as `123 (name)`. What they have mapped stays readable to them as far as it
    /// was in the page cache, until they end: the kernel takes no page away from a process.
    pub mapped: Vec<String>,
    /// Steps that failed. If 3 or 4 did, what is left stays, dead, for the next attempt.
    pub failures: Vec<Error>,
}

impl CutOff {
    /// Keeps the error of a step, or answers what it brought.
    fn note<T>(&mut self, step: Result<T, Error>) -> Option<T> {
        step.map_err(|error| self.failures.push(error)).ok()
    }
}

/// Cuts a volume off, in this order:
///
/// 1. ext4 is shut down without writing its journal (`FS_IOC_SHUTDOWN`): from now on, reads of cached pages
///    fail too, wherever it is mounted.
/// 2. The FUSE connection is aborted, so that no later step waits for the process that serves, even if that
///    hangs. If the first step is not done after `patience`, because the process that serves does not
///    answer, this ends it.
/// 3. ext4 is unmounted, wherever it is mounted in this mount namespace; lazily where it is in use.
/// 4. What the page cache has of the loop device itself is dropped, by which whoever has a directory open could list it, and
///    the device is let go.
/// 5. The served file is unmounted, and the record is dropped. The process that serves sees the end of
///    [`Server::wait`](crate::server::Server::wait).
///
/// What was written and flushed before is on the volume; ext4's journal makes a consistent file system of
/// it. To make sure of that without a doubt, let the volume fail all requests first. What is already gone
/// is no error, and it can be called again. It does not wait for a step that another process is doing: it
/// makes that step fail.
pub fn cut_off(place: &VolumeDir, patience: Duration) -> CutOff {
    let mut done = CutOff::default();
    let mut is_shut = false;
    if let Some(device) = done.note(LoopDevice::find(place)).flatten() {
        match shut_down_and_abort(place, device, patience, &mut done) {
            Some(shut) => is_shut = shut,
            // All that follows would wait as well.
            None => return done,
        }
    } else {
        let aborted = abort(place, None);
        done.note(aborted);
    }
    // Whoever did a step has it behind them by now: it failed.
    let Some(_lock) = done.note(place.lock_steps()) else {
        return done;
    };
    // What is found now is all there is: a step that was on its way may have bound and mounted it.
    if let Some(device) = done.note(LoopDevice::find(place)).flatten() {
        let number = device.device_number();
        let is_taken = take_away(&device, is_shut, &mut done);
        // Whoever has a file mapped keeps the mount in use.
        let is_used = !done.lazily_unmounted.is_empty() || done.held.is_some();
        if let Ok(number) = number
            && is_used
        {
            done.mapped = holders::mapping(number);
        }
        if !is_taken {
            // The served file is dead, but tells the next attempt which loop device is ours.
            return done;
        }
    }
    let point = place.mount_point();
    let mounts = mounts::at(&point).at(Step::Unserve, &point);
    for mount in done.note(mounts).unwrap_or_default() {
        unmount(&mount, Step::Unserve, &mut done);
    }
    let forgotten = place.forget();
    done.note(forgotten);
    done
}

/// Returns whether a file system was shut down, and nothing if somebody may still wait for the process that
/// serves.
fn shut_down_and_abort(
    place: &VolumeDir,
    device: LoopDevice,
    patience: Duration,
    done: &mut CutOff,
) -> Option<bool> {
    let (report, reported) = mpsc::channel();
    let served = device.clone();
    let worker = thread::Builder::new().name("shut-down".to_owned());
    let worker = worker.spawn(move || {
        // What fails here is tried again, and then reported, when nothing can make it wait.
        let _ = report.send(shut_down(&device).unwrap_or(false));
    });
    done.note(worker.at(Step::ShutDown, place.path()));
    let in_time = reported.recv_timeout(patience);
    let aborted = abort(place, Some(&served));
    let is_aborted = done.note(aborted).is_some();
    match in_time {
        Err(RecvTimeoutError::Timeout) if is_aborted => Some(reported.recv().unwrap_or(false)),
        Err(RecvTimeoutError::Timeout) => None,
        shut => Some(shut.unwrap_or(false)),
    }
}

/// All mounts of a device have one file system. It is enough to shut it down through one of them, and no
/// error to do it again. If it is mounted, but not here, the way leads through a process that has it open
/// or mounted. Returns whether there was something to shut down.
fn shut_down(device: &LoopDevice) -> Result<bool, Error> {
    let node = device.node();
    let number = device.device_number().at(Step::ShutDown, node)?;
    let here = mounts::of(number).at(Step::ShutDown, node)?;
    let here = here.into_iter().map(|mount| mount.point);
    let mut ways = here.chain(holders::ways_in(number));
    if ways.any(|way| shut_down_through(&way, number).is_ok()) {
        return Ok(true);
    }
    match device.open_alone() {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let text = "it is mounted where it cannot be reached";
            Err(io::Error::other(text)).at(Step::ShutDown, node)
        }
        // It is not mounted at all.
        _ => Ok(false),
    }
}

fn shut_down_through(way: &Path, number: DeviceNumber) -> io::Result<()> {
    // Without waiting, if it is a pipe.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = rustix::fs::open(way, flags, Mode::empty())?;
    // Looked at after it was opened: what is open is shut down.
    if mounts::is_in(number, &open, Path::new(""))? {
        ioctl::shut_down(open)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Aborts the connections that are mounted in the place, and the one that serves the loop device, which somebody may have
/// unmounted lazily: every request that waits fails, and every later one.
fn abort(place: &VolumeDir, device: Option<&LoopDevice>) -> Result<(), Error> {
    let point = place.mount_point();
    let mounted = mounts::at(&point).at(Step::Abort, &point)?;
    // The number of the connection is that of the file system's anonymous device.
    let mounted: BTreeSet<u32> = mounted.iter().map(|mount| mount.device.1).collect();
    let recorded = device.and_then(|device| Some((device, device.connection()?)));
    let hidden = recorded.filter(|(_, connection)| !mounted.contains(connection));
    if mounted.is_empty() && hidden.is_none() {
        return Ok(());
    }
    let control = control_files().at(Step::Abort, &point)?;
    let mut aborted = Ok(());
    for connection in mounted {
        let written = abort_connection(&control, connection, || Ok(true));
        aborted = aborted.and(written.at(Step::Abort, &point));
    }
    if let Some((device, connection)) = hidden {
        let written = abort_connection(&control, connection, || device.serves_by(connection));
        aborted = aborted.and(written.at(Step::Abort, device.node()));
    }
    aborted
}

/// The control files of all FUSE connections, mounted where nobody else sees them: what others mount, and
/// whether somebody is killed meanwhile, makes no difference.
fn control_files() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("fusectl", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Aborts a connection, if it is ours: that is asked when its control file is open, which is that of no other connection
/// then, whatever gets the number later. One that has ended by itself is no error.
fn abort_connection(
    control: &OwnedFd,
    connection: u32,
    is_ours: impl FnOnce() -> io::Result<bool>,
) -> io::Result<()> {
    let path = format!("{connection}/abort");
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(control, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        file => file?,
    };
    if is_ours()? {
        rustix::io::write(file, b"1")?;
    }
    Ok(())
}

/// Returns whether all was unmounted and the loop device let go.
fn take_away(device: &LoopDevice, is_shut: bool, done: &mut CutOff) -> bool {
    let node = device.node();
    let mounts = device.mounts().at(Step::Unmount, node);
    let Some(mounts) = done.note(mounts) else {
        return false;
    };
    let shut = shut_down(device);
    // A file of what is shut down cannot be opened, so the same way may be closed now.
    if !is_shut {
        done.note(shut);
    }
    for mount in mounts {
        if !unmount(&mount, Step::Unmount, done) {
            return false;
        }
    }
    // What a directory has can be read from the device's own pages by whoever has it open.
    let flushed = device.open().and_then(ioctl::flush_buffers);
    done.note(flushed.at(Step::Flush, node));
    let unbound = device.open().and_then(|open| device.unbind(open));
    let unbound = done.note(unbound.at(Step::Unbind, node));
    if unbound == Some(false) {
        done.held = Some(node.to_owned());
    }
    unbound.is_some()
}

/// Lazily where it is in use. Returns whether it is out of sight.
fn unmount(mount: &Mount, step: Step, done: &mut CutOff) -> bool {
    let point = &mount.point;
    match mount.unmount(false) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let lazily = done.note(mount.unmount(true).at(step, point));
            if lazily.is_some() && step == Step::Unmount {
                done.lazily_unmounted.push(point.to_owned());
            }
            lazily.is_some()
        }
        unmounted => done.note(unmounted.at(step, point)).is_some(),
    }
}
