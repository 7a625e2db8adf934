//! A mounted ext4 from anything that can read and write blocks, and its end.
//!
//! ```text
//! Blocks ── served as ──▶ one file of a FUSE mount ── bound to ──▶ loop device ── mounted as ──▶ ext4
//! ```
//!
//! [`blocks::Blocks`] is what the caller supplies; nothing here knows what comes after it. An image file in plaintext
//! needs none, and is bound to the loop device as it is ([`volume_dir::VolumeDir::of_image`]). ext4 gives it names,
//! locks, links and `mmap`, and the kernel's page cache is above it, so that what is read often costs nothing.
//!
//! - [`volume_dir::VolumeDir`] is a private directory for one volume. What happens to a volume is tied to this
//!   directory and to nothing else.
//! - [`server::serve`] serves the blocks in this process, as one file in the place.
//! - [`attachment`] does the rest, from the same or from any other process: loop device, ext4, growing, a
//!   clean end, and the cut-off, which makes everything fail at once, cached pages too.
//! - [`freeze`] has writers wait while an image is copied.
//! - [`bind`] mounts a directory of a mounted volume in other places too.
//! - [`requirements::missing`] says what a machine lacks.
//! - [`process::prepare`] is for the process that serves.
//!
//! # Two processes
//!
//! A process that waits for its own disk cannot be killed: its thread in `mount(2)` waits for the kernel,
//! the kernel for the file, and the file for the process's other threads, which are dead. So it is better
//! that one process serves and another one attaches. [`attachment::cut_off`] also ends such a wait: it
//! aborts the FUSE connection, and every request that waits for it fails.
//!
//! # What is left by a process that was killed
//!
//! The FUSE mount is dead, the loop device is still bound to it, and ext4 is still mounted. The next
//! [`server::serve`] in the same place finds this and takes it away. It looks at the loop device whose
//! number the place has recorded, and only if it has not been let go since (the kernel's `diskseq` of it is the
//! recorded one, in the same start of the machine) or its backing file is the one in the place; and at the mounts
//! of that device and of the place. It never touches a loop device that it has not bound.
//!
//! # Why ioctls, and no crate for loop devices
//!
//! `loopdev-3` needs libclang to build and binds a device in two steps, between which it is visible with
//! the wrong settings. `losetup` would have to be run and its output parsed. The kernel needs four ioctls
//! for all of this, one of them with a struct, and FS_IOC_SHUTDOWN has no command at all in Debian's
//! base packages. They are in one small module, the only one with `unsafe` code (`ioctl.rs`), with the
//! structs of `linux-raw-sys`, which `rustix` uses too. Formatting, checking and resizing is done by
//! e2fsprogs.
//!
//! Linux 5.8 or newer is required, for `LOOP_CONFIGURE`.
#![deny(unsafe_code)]

pub mod attachment;
pub mod bind;
pub mod blocks;
mod cut_off;
pub mod error;
pub mod ext4;
pub mod freeze;
mod holders;
mod ioctl;
mod loop_device;
mod mounts;
pub mod process;
pub mod requirements;
pub mod server;
mod target;
mod tool;
pub mod volume_dir;
