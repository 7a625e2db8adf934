//! Namespaces of a thread's own. The only module of this crate with `unsafe` code.
#![expect(
    unsafe_code,
    reason = "what a thread that leaves a namespace must not share is a convention, which no type expresses"
)]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread, and the processes that it starts, a network and a table of mounts of their own. The
/// other threads of the process keep theirs.
pub(crate) fn network_and_mounts() -> io::Result<()> {
    // SAFETY: only unsharing the table of open files is a matter of safety, and neither of these flags does that.
    // NEWNS also gives the thread a working directory and a root of its own.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }?;
    Ok(())
}
