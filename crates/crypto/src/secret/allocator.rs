//! An allocator that wipes memory when it is freed, while a secret passes through code that does
//! not wipe it.
//!
//! A library for TLS or HTTP copies what it receives through buffers of its own, and frees them without wiping.
#![expect(
    unsafe_code,
    reason = "an allocator can only be written in unsafe code"
)]

use std::{
    alloc::{GlobalAlloc, Layout},
    mem::MaybeUninit,
    slice,
    sync::atomic::{AtomicUsize, Ordering},
};

use zeroize::Zeroize as _;

/// How many calls of [`wiping`] are running.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Another allocator, which wipes memory before it is given back as long as [`wiping`] runs. It is the program's
/// global allocator, or has no effect.
#[derive(Debug)]
pub struct Wiping<A>(pub A);

/// Runs a function. Memory that any thread frees in the meantime is wiped, if the program uses
/// [`Wiping`].
pub fn wiping<T>(run: impl FnOnce() -> T) -> T {
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            RUNNING.fetch_sub(1, Ordering::Relaxed);
        }
    }
    RUNNING.fetch_add(1, Ordering::Relaxed);
    let _running = Running;
    run()
}

/// A thread sees at least the calls that it is in itself.
fn is_wiping() -> bool {
    RUNNING.load(Ordering::Relaxed) > 0
}

// SAFETY: every method hands its arguments to the same method of the other allocator, or to its `alloc` and
// `dealloc` as the trait's own `realloc` does. What is wiped is wiped while it still belongs to the caller.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_wiping() {
            let bytes = pointer.cast::<MaybeUninit<u8>>();
            // SAFETY: the caller frees so many bytes, which nobody else uses any more.
            unsafe { slice::from_raw_parts_mut(bytes, layout.size()) }.zeroize();
        }
        // SAFETY: the caller's promise.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_wiping() {
            // SAFETY: the caller's promise.
            return unsafe { self.0.realloc(pointer, layout, size) };
        }
        // What is left behind is to be wiped.
        // SAFETY: the caller promises that the size, rounded up to the alignment, is possible and not 0.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both have so many bytes, and one is new. The other is given back as it was allocated.
            unsafe {
                new.copy_from_nonoverlapping(pointer, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::{alloc::System, sync::Mutex};

    use super::*;

    /// Notes down of everything that is given back whether it is zeros.
    struct Looks(Mutex<Vec<bool>>);

    // SAFETY: it is the system's.
    unsafe impl GlobalAlloc for Looks {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: the tests have written all of it.
            let bytes = unsafe { slice::from_raw_parts(pointer, layout.size()) };
            let wiped = bytes.iter().all(|byte| *byte == 0);
            self.0.lock().unwrap().push(wiped);
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    // The only test: others would wipe what this one looks at.
    #[test]
    fn what_is_given_back_or_left_behind_is_wiped_only_meanwhile() {
        let allocator = Wiping(Looks(Mutex::default()));
        let small = Layout::from_size_align(100, 8).unwrap();
        let large = Layout::from_size_align(5000, 8).unwrap();
        let fill = || {
            // SAFETY: 100 bytes are there, of which all are written.
            unsafe {
                let pointer = allocator.alloc(small);
                pointer.write_bytes(7, 100);
                pointer
            }
        };
        // SAFETY: everything is given back once, as it was allocated.
        unsafe {
            allocator.dealloc(fill(), small);
            wiping(|| allocator.dealloc(fill(), small));
            wiping(|| {
                let grown = allocator.realloc(fill(), small, 5000);
                assert_eq!(slice::from_raw_parts(grown, 100), [7; 100]);
                grown.add(100).write_bytes(7, 4900);
                let shrunk = allocator.realloc(grown, large, 100);
                assert_eq!(slice::from_raw_parts(shrunk, 100), [7; 100]);
                wiping(|| ());
                allocator.dealloc(shrunk, small);
            });
            let ended = std::panic::catch_unwind(|| wiping(|| panic!("in it")));
            assert!(ended.is_err());
            allocator.dealloc(fill(), small);
        }
        let found = allocator.0.0.into_inner().unwrap();
        assert_eq!(found, [false, true, true, true, true, false]);
    }
}
