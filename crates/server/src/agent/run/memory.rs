//! What the agent remembers of a volume while it runs. None of it has to outlast it.

use keyward_agent::{
    local::{Failure, Local},
    report::{Report, Told},
};
use keyward_types::time::Monotonic;

/// How long is waited until the places of a volume on this machine are tried again that failed.
const RESTORE_WAIT: u64 = 5_000;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Memory {
    busy: bool,
    failure: Option<Failure>,
    told: Option<Told>,
    /// Whether places are being restored, when they were last, and whether a failure has been logged.
    restoring: bool,
    restored: Option<Monotonic>,
    complained: bool,
}

impl Memory {
    /// A step is begun.
    pub const fn begun(&mut self) {
        self.busy = true;
    }

    /// It is done.
    pub fn succeeded(&mut self) {
        (self.busy, self.failure) = (false, None);
    }

    /// It has failed.
    pub fn failed(&mut self, why: String, now: Monotonic) {
        let failure = Failure::after(self.failure.as_ref(), why, now);
        (self.busy, self.failure) = (false, Some(failure));
    }

    /// What has failed may be tried again at once.
    pub const fn try_again(&mut self, now: Monotonic) {
        if let Some(failure) = &mut self.failure {
            failure.again = now;
        }
    }

    /// Whether a step is being done.
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// What is seen, with what is remembered.
    pub fn complete(&self, local: Local) -> Local {
        Local {
            busy: self.busy,
            failure: self.failure.clone(),
            ..local
        }
    }

    /// The server has been told.
    pub fn told(&mut self, report: Report, now: Monotonic) {
        self.told = Some(Told::new(report, now));
    }

    /// What it was told last.
    pub const fn last(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// Whether it is time to look after the places of the volume on this machine. It is taken as begun.
    pub fn restores(&mut self, now: Monotonic) -> bool {
        let waits = self
            .restored
            .is_some_and(|before| self.complained && now.millis_since(before) < RESTORE_WAIT);
        if self.restoring || waits {
            return false;
        }
        (self.restoring, self.restored) = (true, Some(now));
        true
    }

    /// They have been looked after. A failure is logged once, until it is over.
    pub fn restored(&mut self, restored: anyhow::Result<()>) {
        self.restoring = false;
        match restored {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                tracing::warn!(error = format!("{error:#}"), "it is tried again");
            }
            Err(_) => {}
        }
    }
}
