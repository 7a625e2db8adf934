//! The ioctls of loop devices, and those that shut a file system down, or freeze it.
//!
//! The only module of this crate with `unsafe` code. Each function says which struct or number the kernel
//! takes; <https://man7.org/linux/man-pages/man4/loop.4.html> and the kernel's `include/uapi/linux/fs.h`
//! (`FS_IOC_SHUTDOWN`, `FIFREEZE` and `FITHAW`).
#![expect(
    unsafe_code,
    reason = "an ioctl's argument is a convention with the kernel, which no type expresses"
)]

use std::{
    ffi::c_void,
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
};

use linux_raw_sys::loop_device::{
    LO_FLAGS_DIRECT_IO, LOOP_CLR_FD, LOOP_CONFIGURE, LOOP_CTL_GET_FREE, LOOP_SET_CAPACITY,
    loop_config, loop_info64,
};
use rustix::ioctl::{Ioctl, IoctlOutput, NoArg, Opcode, Setter, ioctl, opcode};

/// `FS_IOC_SHUTDOWN`.
const SHUTDOWN: Opcode = opcode::read::<u32>(b'X', 125);
/// `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: neither data nor the journal are written first.
const NO_LOG_FLUSH: u32 = 2;

/// `BLKFLSBUF`, which takes no argument.
const FLUSH_BUFFERS: Opcode = opcode::none(0x12, 97);

/// `FIFREEZE` and `FITHAW`, whose argument the kernel ignores.
const FREEZE: Opcode = opcode::read_write::<i32>(b'X', 119);
const THAW: Opcode = opcode::read_write::<i32>(b'X', 120);

/// `LOOP_CTL_GET_FREE`: takes nothing and returns a number.
struct GetFree;

// SAFETY: the kernel ignores the argument of this ioctl and writes to no memory.
unsafe impl Ioctl for GetFree {
    type Output = u32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<u32> {
        u32::try_from(out).map_err(|_| rustix::io::Errno::RANGE)
    }
}

/// The number of a loop device that nothing is bound to, which the kernel creates if there is none.
pub(crate) fn free_loop_device(control: impl AsFd) -> io::Result<u32> {
    // SAFETY: see `GetFree`.
    Ok(unsafe { ioctl(control, GetFree) }?)
}

/// Binds a loop device to a file: direct I/O, and the given name and size of sectors.
pub(crate) fn bind_loop_device(
    device: impl AsFd,
    file: BorrowedFd<'_>,
    sector_bytes: u32,
    name: &[u8],
) -> io::Result<()> {
    let fd = u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?;
    let mut lo_file_name = [0; 64];
    // The last byte stays zero.
    for (to, from) in lo_file_name.iter_mut().take(63).zip(name) {
        *to = *from;
    }
    let config = loop_config {
        fd,
        block_size: sector_bytes,
        info: loop_info64 {
            lo_device: 0,
            lo_inode: 0,
            lo_rdevice: 0,
            lo_offset: 0,
            lo_sizelimit: 0,
            lo_number: 0,
            lo_encrypt_type: 0,
            lo_encrypt_key_size: 0,
            lo_flags: LO_FLAGS_DIRECT_IO as u32,
            lo_file_name,
            lo_crypt_name: [0; 64],
            lo_encrypt_key: [0; 32],
            lo_init: [0; 2],
        },
        __reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `loop_config`, the kernel's own struct, and writes nothing.
    Ok(unsafe { ioctl(device, Setter::<LOOP_CONFIGURE, loop_config>::new(config)) }?)
}

/// Lets go of the file, at once or when the last user of the device has closed it.
pub(crate) fn unbind_loop_device(device: impl AsFd) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument.
    Ok(unsafe { ioctl(device, NoArg::<LOOP_CLR_FD>::new()) }?)
}

/// Makes a loop device as large as its file.
pub(crate) fn resize_loop_device(device: impl AsFd) -> io::Result<()> {
    // SAFETY: LOOP_SET_CAPACITY takes no argument.
    Ok(unsafe { ioctl(device, NoArg::<LOOP_SET_CAPACITY>::new()) }?)
}

/// Shuts down the file system of an open file: from then on, everything in it fails with EIO, cached
/// pages too, and nothing more of it is written.
pub(crate) fn shut_down(root: impl AsFd) -> io::Result<()> {
    // SAFETY: FS_IOC_SHUTDOWN reads one 32-bit number, in spite of the direction in its code, and writes
    // nothing.
    Ok(unsafe { ioctl(root, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) }?)
}

/// Drops what the page cache has of a block device itself, such as the directories of a file system on it, which are read
/// from there even after it was shut down.
pub(crate) fn flush_buffers(device: impl AsFd) -> io::Result<()> {
    // SAFETY: BLKFLSBUF takes no argument.
    Ok(unsafe { ioctl(device, NoArg::<FLUSH_BUFFERS>::new()) }?)
}

/// Writes everything of the file system of an open file to its device, and has writers wait.
pub(crate) fn freeze(root: impl AsFd) -> io::Result<()> {
    // SAFETY: FIFREEZE takes no argument, in spite of its code.
    Ok(unsafe { ioctl(root, NoArg::<FREEZE>::new()) }?)
}

/// Lets writers go on.
pub(crate) fn thaw(root: impl AsFd) -> io::Result<()> {
    // SAFETY: FITHAW takes no argument, in spite of its code.
    Ok(unsafe { ioctl(root, NoArg::<THAW>::new()) }?)
}
