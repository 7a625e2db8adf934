//! ext4 on a loop device: created, checked, mounted, made larger.

use std::{ffi::CString, io::Read as _, path::Path};

use rustix::mount::MountFlags;

use crate::{
    error::{At as _, Error, Step},
    loop_device::LoopDevice,
    target::Target,
    tool::{FSCK, MKFS, RESIZE},
};

/// How much of a device must be zeros before it is formatted.
const MUST_BE_EMPTY: usize = 1024 * 1024;

/// How a new file system is created.
#[derive(Clone, Debug, Default)]
pub struct Format {
    /// Its name, of at most 16 bytes; empty for none.
    pub label: String,
    /// How many percent of it only root can fill. The volume has one purpose, so by default none.
    pub reserved_percent: u8,
    /// Whether what is on the volume is destroyed. Otherwise a volume that does not begin with a mebibyte of
    /// zeros is refused.
    pub overwrite: bool,
}

/// How a file system is mounted. It is always mounted with `nodev` and `nosuid`.
#[derive(Clone, Debug, Default)]
pub struct MountOptions {
    /// For reading only. The journal is replayed all the same.
    pub read_only: bool,
    /// No file on it can be executed.
    pub no_exec: bool,
    /// Times of access are not recorded; otherwise they are recorded once a day (`relatime`).
    pub no_atime: bool,
    /// Options of ext4 itself, such as `discard` or `commit=1`
    /// (<https://man7.org/linux/man-pages/man5/ext4.5.html>).
    pub ext4: Vec<String>,
}

/// What a check before mounting found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing to repair. After an unclean end, the journal was replayed, which is no repair.
    Clean,
    /// Something was repaired that can be repaired without a decision.
    Repaired {
        /// What e2fsck did.
        report: String,
    },
}

pub(crate) fn format(device: &LoopDevice, format: &Format) -> Result<(), Error> {
    let node = device.node();
    // Not alone: a process that another thread starts has a copy of this for a moment, and mkfs, which opens
    // the device alone so that nobody mounts it meanwhile, would refuse.
    let open = device.open().at(Step::Run, node)?;
    if !format.overwrite {
        let mut start = Vec::new();
        let mut head = open.take(MUST_BE_EMPTY as u64);
        head.read_to_end(&mut start).at(Step::Run, node)?;
        if start.iter().any(|byte| *byte != 0) {
            let device = node.to_owned();
            return Err(Error::NotEmpty { device });
        }
    }
    // Zeros cost nothing on a volume that is discarded first, so nothing is left for later.
    run(
        node,
        format,
        "discard,lazy_itable_init=0,lazy_journal_init=0",
    )
}

/// Creates an ext4 in a new image file, which nothing was ever written to, as on a loop device. It takes only the space
/// of what is not zeros: on a loop device, zeros would be written, for 16 GiB of each TiB.
///
/// # Errors
/// [`Error::NoRoom`] if its disk is full, and what mkfs says.
pub fn format_new_image(image: &Path, format: &Format) -> Result<(), Error> {
    // What was never written is zeros, and a file is known to be: tables and journal are initialized as they are.
    let formatted = run(
        image,
        format,
        "discard,lazy_itable_init=0,lazy_journal_init=1",
    );
    match formatted {
        // LC_ALL is C. On a device this is what the device says, and no disk is known that it is about.
        Err(Error::Tool { report, .. }) if report.contains("No space left on device") => {
            Err(Error::NoRoom {
                image: image.to_owned(),
            })
        }
        formatted => formatted,
    }
}

fn run(node: &Path, format: &Format, extended: &str) -> Result<(), Error> {
    let reserved = format.reserved_percent.to_string();
    let mut arguments = vec!["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256"];
    arguments.extend(["-m", &reserved]);
    // The features of Debian 12, which Linux 5.8 can mount, whatever newer defaults are.
    arguments.extend(["-O", "has_journal,extent,huge_file,flex_bg,uninit_bg,64bit,dir_nlink,extra_isize,metadata_csum,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr"]);
    arguments.extend(["-E", extended]);
    if !format.label.is_empty() {
        arguments.extend(["-L", &format.label]);
    }
    let node = node.to_string_lossy();
    arguments.push(&node);
    let ran = MKFS.run(arguments)?;
    if ran.status.success() {
        Ok(())
    } else {
        Err(ran.failed(MKFS))
    }
}

/// `e2fsck -p`, and what its exit status means (<https://man7.org/linux/man-pages/man8/e2fsck.8.html>).
pub(crate) fn check(device: &Path, thorough: bool) -> Result<Checked, Error> {
    let mut arguments = vec!["-p".as_ref()];
    if thorough {
        arguments.push("-f".as_ref());
    }
    arguments.push(device.as_os_str());
    let ran = FSCK.run(arguments)?;
    match ran.status.code() {
        Some(0) => Ok(Checked::Clean),
        // 2: "the system should be rebooted", which is meant for a root file system that is mounted.
        Some(1..=3) => Ok(Checked::Repaired { report: ran.report }),
        // Nothing but "there is more than I may repair".
        Some(4..=7) => Err(Error::Damaged {
            device: device.to_owned(),
            report: ran.report,
        }),
        _ => Err(ran.failed(FSCK)),
    }
}

pub(crate) fn mount(device: &Path, target: &Path, options: &MountOptions) -> Result<(), Error> {
    let mut flags = MountFlags::NODEV | MountFlags::NOSUID;
    flags.set(MountFlags::RDONLY, options.read_only);
    flags.set(MountFlags::NOEXEC, options.no_exec);
    flags.set(MountFlags::NOATIME, options.no_atime);
    flags.set(MountFlags::RELATIME, !options.no_atime);
    // After an error, nothing is written that might make it worse.
    let mut data = vec!["errors=remount-ro"];
    data.extend(options.ext4.iter().map(String::as_str));
    let data = CString::new(data.join(",")).map_err(std::io::Error::from);
    let data = data.at(Step::Mount, target)?;
    // It is mounted again by its path: a link that was put there meanwhile must not choose where.
    let opened = Target::open(target, Step::Mount)?;
    let mounted = rustix::mount::mount(device, opened.path(), "ext4", flags, data.as_c_str());
    mounted.at(Step::Mount, target)
}

/// Makes the file system as large as the device, mounted or not.
pub(crate) fn resize(device: &Path, mounted: bool) -> Result<(), Error> {
    if !mounted {
        // resize2fs insists.
        check(device, true)?;
    }
    let ran = RESIZE.run([device])?;
    if ran.status.success() {
        Ok(())
    } else {
        Err(ran.failed(RESIZE))
    }
}
