//! What keeps a process's secrets from leaving it by the operating system's ways.

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
};

/// What could not be had, in words for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardening {
    /// One sentence for each measure that failed.
    pub warnings: Vec<String>,
    /// Whether all memory is locked as it is touched.
    pub all_locked: bool,
}

/// Turns core dumps and debuggers of other users off, and locks all memory where the limit on
/// locked memory is unlimited (`MCL_ONFAULT`: as pages are touched).
pub fn harden() -> Hardening {
    let mut hardening = Hardening::default();
    if let Err(error) = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    ) {
        hardening
            .warnings
            .push(format!("core dumps cannot be limited: {error}"));
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        hardening
            .warnings
            .push(format!("core dumps cannot be turned off: {error}"));
    }
    if getrlimit(Resource::Memlock).current.is_none() {
        let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        match mlockall(flags) {
            Ok(()) => hardening.all_locked = true,
            Err(error) => hardening
                .warnings
                .push(format!("memory cannot be locked: {error}")),
        }
    }
    hardening
}
