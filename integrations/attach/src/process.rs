//! What a process does for itself before it serves a volume.
//!
//! When memory is short, the kernel writes pages of ext4 to the volume to have them back, and so waits for
//! the process that serves. That must not wait for memory in turn. Two things prevent it:
//!
//! - [`prepare`] tells the kernel (`PR_SET_IO_FLUSHER`), which allows it only with CAP_SYS_RESOURCE.
//! - The process that serves is in another memory cgroup than those that use the volume. Without the
//!   capability this is necessary: with both in one group of cgroup version 1, a writer that fills the group
//!   makes both wait for ever, until [`cut_off`](crate::attachment::cut_off) aborts the connection.

use std::fs;

use keyward_crypto::secret::process::harden;
use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::configure_io_flusher_behavior,
    thread::{CapabilitySet, capabilities},
};

/// What was achieved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// One sentence for each measure that failed, for the log.
    pub warnings: Vec<String>,
    /// Whether no memory of the process is swapped out.
    pub all_locked: bool,
}

/// Prepares this process to serve: no core dumps and no debuggers of other users (as every process of
/// Keyward with secrets), all memory locked as it is touched, no recursion into the volume's own file
/// system when memory is allocated (`PR_SET_IO_FLUSHER`), and never the one that is killed when memory runs
/// out.
///
/// Call this at the start of `main`: threads inherit it, and child processes too. The last two need
/// CAP_SYS_RESOURCE, which a container usually lacks.
pub fn prepare() -> Prepared {
    // Before the process stops being dumpable, since /proc then belongs to root.
    let oom = fs::write("/proc/self/oom_score_adj", "-1000");
    let hardening = harden();
    let mut warnings = hardening.warnings;
    let mut all_locked = hardening.all_locked;
    if let Err(error) = oom {
        warnings.push(format!(
            "the process can be killed when memory runs out, and the volume with it ({error}): it needs CAP_SYS_RESOURCE"
        ));
    }
    // The limit on locked memory does not apply to whoever has the capability.
    if !all_locked && is_capable(CapabilitySet::IPC_LOCK) {
        let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        match mlockall(flags) {
            Ok(()) => all_locked = true,
            Err(error) => warnings.push(format!("memory cannot be locked: {error}")),
        }
    }
    if !all_locked {
        warnings.push(
            "memory can be swapped out, with data of the volume in it: raise the limit on locked memory (ulimit -l, LimitMEMLOCK=)"
                .to_owned(),
        );
    }
    if let Err(error) = configure_io_flusher_behavior(true) {
        warnings.push(format!(
            "the process can wait for its own volume when memory is short ({error}): it needs CAP_SYS_RESOURCE, or else must be in another memory cgroup than every process that uses the volume"
        ));
    }
    Prepared {
        warnings,
        all_locked,
    }
}

/// Whether this thread has a capability now.
pub(crate) fn is_capable(wanted: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}
