//! One region of memory of our own: mapped, locked against swap, left out of core dumps.
//!
//! Beside it, only the allocator and the ioctls of `keyward-attach` have `unsafe` code.
#![expect(
    unsafe_code,
    reason = "memory is mapped, locked and viewed as bytes here, and only here"
)]

use std::{ffi::c_void, ptr::NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};

/// A private mapping of whole pages that lives until it is dropped.
pub(super) struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone and has no thread affinity.
unsafe impl Send for Pages {}
// SAFETY: bytes are written only through `write`, whose callers own the range exclusively.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps `length` zeroed bytes, rounded up to whole pages by the kernel.
    pub(super) fn map(length: usize) -> rustix::io::Result<Self> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Self { start, length })
    }

    /// Keeps the pages out of swap.
    pub(super) fn lock(&self) -> rustix::io::Result<()> {
        // SAFETY: the range is exactly this mapping.
        unsafe { mlock(self.address(), self.length) }
    }

    /// Keeps the pages out of core dumps, and out of forked children.
    pub(super) fn exclude(&self) -> rustix::io::Result<()> {
        // SAFETY: the range is exactly this mapping; the advice does not change its content.
        unsafe { madvise(self.address(), self.length, Advice::LinuxDontDump) }?;
        // SAFETY: as above; a child that loses the mapping has no value that refers to it.
        unsafe { madvise(self.address(), self.length, Advice::LinuxWipeOnFork) }
    }

    /// The bytes of a range that its owner alone writes to.
    pub(super) fn read(&self, offset: usize, length: usize) -> &[u8] {
        assert!(
            offset
                .checked_add(length)
                .is_some_and(|end| end <= self.length)
        );
        // SAFETY: in bounds (asserted), initialized (zeroed by the kernel), and not written to
        // while it is borrowed: its owner lends it out by shared reference only.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset), length) }
    }

    /// Writes to a range that only the caller owns and that nobody borrows.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset
                .checked_add(bytes.len())
                .is_some_and(|end| end <= self.length)
        );
        // SAFETY: in bounds (asserted); the caller owns the range and nobody else reads it.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.start.as_ptr().add(offset),
                bytes.len(),
            );
        }
    }

    /// Wipes a range that the caller alone owns, in a way the compiler cannot leave out.
    pub(super) fn wipe(&self, offset: usize, length: usize) {
        assert!(
            offset
                .checked_add(length)
                .is_some_and(|end| end <= self.length)
        );
        // SAFETY: in bounds (asserted); the caller owns the range and nobody else reads it.
        let range =
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(offset), length) };
        zeroize::Zeroize::zeroize(range);
    }

    fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.wipe(0, self.length);
        // SAFETY: the mapping is this value's own and nothing refers to it any more.
        let _ = unsafe { munmap(self.address(), self.length) };
    }
}
