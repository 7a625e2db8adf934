//! What the process as a whole does for its secrets: no core dumps, no swap where allowed.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// What [`harden_process`] could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HardenReport {
    /// No core dump will be written, and other users' debuggers cannot attach.
    pub core_dumps_off: bool,
    /// Every page of the process stays out of swap from its first use on.
    pub memory_locked: bool,
    /// Why not, in words for an operator; one line for each thing that could not be done.
    pub reasons: Vec<String>,
}

/// Turns core dumps off and, if the limit on locked memory is unlimited, locks all memory as it is
/// first touched. With a limit, `mlockall` would make later allocations fail, so then only the
/// arena is locked. Call it once, before the first secret is read.
pub fn harden_process() -> HardenReport {
    let mut reasons = Vec::new();
    let mut done = |what: &str, result: rustix::io::Result<()>| match result {
        Ok(()) => true,
        Err(error) => {
            reasons.push(format!("{what}: {error}"));
            false
        }
    };
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let no_cores = done("core size limit", setrlimit(Resource::Core, none));
    let not_dumpable = done(
        "dumpable attribute",
        set_dumpable_behavior(DumpableBehavior::NotDumpable),
    );
    // `None` is "unlimited".
    let memory_locked = if getrlimit(Resource::Memlock).current.is_none() {
        let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        done("lock all memory", mlockall(flags))
    } else {
        reasons.push("the limit on locked memory (RLIMIT_MEMLOCK) is not unlimited".to_owned());
        false
    };
    HardenReport {
        core_dumps_off: no_cores && not_dumpable,
        memory_locked,
        reasons,
    }
}
