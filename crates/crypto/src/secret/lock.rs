//! A region of memory that is kept out of swap and out of core dumps, cut into slots.
//!
//! The only module with `unsafe` code. What makes it sound stands in one place: a [`Span`] is made
//! only by [`Region::claim`], for slots whose bits it has just set, and its bits are cleared only
//! when it is dropped; so at any time each byte of the region belongs to at most one `Span`.
#![expect(
    unsafe_code,
    reason = "pages can be mapped, locked and excluded from dumps by raw address only"
)]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

/// The unit of the allocator, in bytes: a 32-byte key takes one.
pub(super) const SLOT: usize = 64;
const PAGE: usize = 4096;

/// What the operating system did for a region.
pub(super) struct Locked {
    pub(super) locked: rustix::io::Result<()>,
    pub(super) dump_excluded: rustix::io::Result<()>,
}

/// One mapping, cut into slots of [`SLOT`] bytes.
pub(super) struct Region {
    base: NonNull<u8>,
    len: usize,
    slots: Mutex<Slots>,
}

// SAFETY: the pointer is to memory that the region owns alone, as a `Box` would; the slots' state
// is behind a mutex, and bytes are reached through `Span`s only, no two of which overlap.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps at least `bytes` bytes, a whole number of pages and never none.
    pub(super) fn map(bytes: usize) -> rustix::io::Result<(Self, Locked)> {
        let len = bytes
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or(rustix::io::Errno::NOMEM)?;
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: with a null hint the kernel chooses addresses that nothing else uses.
        let address =
            unsafe { mmap_anonymous(std::ptr::null_mut(), len, flags, MapFlags::PRIVATE) }?;
        let base = NonNull::new(address.cast::<u8>()).ok_or(rustix::io::Errno::NOMEM)?;
        // SAFETY: exactly the mapping made above, which stays until `drop`.
        let locked = unsafe { mlock(address, len) };
        // SAFETY: as above; the advice changes what dumps hold, not what memory holds.
        let dump_excluded = unsafe { madvise(address, len, Advice::LinuxDontDump) };
        let region = Self {
            base,
            len,
            slots: Mutex::new(Slots::new(len / SLOT)),
        };
        Ok((
            region,
            Locked {
                locked,
                dump_excluded,
            },
        ))
    }

    /// How many slots there are.
    pub(super) fn capacity(&self) -> usize {
        self.len / SLOT
    }

    /// How many slots are taken.
    pub(super) fn taken(&self) -> usize {
        self.slots().taken
    }

    /// Takes slots for `len` bytes, all zero; `None` if no run of free slots is long enough.
    pub(super) fn claim(self: &Arc<Self>, len: usize) -> Option<Span> {
        let count = len.div_ceil(SLOT).max(1);
        let first = self.slots().take(count)?;
        Some(Span {
            region: Arc::clone(self),
            first,
            count,
            len,
        })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // A panic while the lock was held can leave at most slots taken for ever, never one free
        // that is in use: bits are set before a span exists and cleared after its bytes are wiped.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Every span holds the region, so none is left, and each has wiped its bytes.
        // SAFETY: exactly the mapping made by `map`, and nothing refers to it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
    }
}

/// Some slots of a region, owned alone. Wiped and given back on drop.
pub(super) struct Span {
    region: Arc<Region>,
    first: usize,
    count: usize,
    len: usize,
}

impl Span {
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `claim` took slots `first .. first + count` inside the region for this span
        // alone, `len <= count * SLOT`, and mapped memory is initialised with zeros.
        unsafe { slice::from_raw_parts(self.base(), self.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` makes this the only view of the span.
        unsafe { slice::from_raw_parts_mut(self.base(), self.len) }
    }

    fn base(&self) -> *mut u8 {
        // SAFETY: `first` is a slot of the region, so the result points into the mapping.
        unsafe { self.region.base.as_ptr().add(self.first * SLOT) }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        self.region.slots().give_back(self.first, self.count);
    }
}

/// Which slots are taken: one bit each.
struct Slots {
    words: Vec<u64>,
    total: usize,
    taken: usize,
    /// Where the last search ended: slots before it are likely taken.
    next: usize,
}

impl Slots {
    fn new(total: usize) -> Self {
        Self {
            words: vec![0; total.div_ceil(64)],
            total,
            taken: 0,
            next: 0,
        }
    }

    /// Takes the first run of free slots from where the last search ended, then from the start.
    fn take(&mut self, count: usize) -> Option<usize> {
        if count > self.total - self.taken {
            return None;
        }
        let first = self
            .find(count, self.next, self.total)
            .or_else(|| self.find(count, 0, self.total))?;
        for slot in first..first + count {
            self.set(slot, true);
        }
        self.taken += count;
        self.next = first + count;
        Some(first)
    }

    fn give_back(&mut self, first: usize, count: usize) {
        for slot in first..first + count {
            self.set(slot, false);
        }
        self.taken -= count;
    }

    fn find(&self, count: usize, from: usize, to: usize) -> Option<usize> {
        let mut slot = from;
        let mut run = 0;
        while slot < to {
            let word = self.words.get(slot / 64).copied()?;
            if run == 0 && slot.is_multiple_of(64) && word == u64::MAX {
                slot += 64;
                continue;
            }
            run = if word >> (slot % 64) & 1 == 0 {
                run + 1
            } else {
                0
            };
            slot += 1;
            if run == count {
                return Some(slot - count);
            }
        }
        None
    }

    fn set(&mut self, slot: usize, taken: bool) {
        if let Some(word) = self.words.get_mut(slot / 64) {
            let bit = 1 << (slot % 64);
            *word = if taken { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_do_not_overlap_and_freed_slots_come_back() {
        let mut slots = Slots::new(130);
        let a = slots.take(64).unwrap();
        let b = slots.take(65).unwrap();
        assert_eq!((a, b), (0, 64));
        assert_eq!(slots.take(2), None);
        assert_eq!(slots.take(1), Some(129));
        assert_eq!(slots.take(1), None);
        slots.give_back(a, 64);
        assert_eq!(slots.take(3), Some(0));
        assert_eq!(slots.take(61), Some(3));
        assert_eq!(slots.taken, 130);
    }

    #[test]
    fn what_a_span_held_is_wiped_before_the_next_has_it() {
        let (region, _) = Region::map(1).unwrap();
        let region = Arc::new(region);
        assert_eq!(region.capacity(), PAGE / SLOT);
        let mut all = region.claim(PAGE).unwrap();
        all.bytes_mut().fill(0xa5);
        assert!(region.claim(1).is_none());
        drop(all);
        let again = region.claim(PAGE).unwrap();
        assert!(again.bytes().iter().all(|byte| *byte == 0));
    }
}
