//! What the agent remembers of a volume while it runs. None of it has to outlast it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use keyward_agent::{
    local::{Failure, Local, Runs},
    report::{Report, TargetReport, Told},
    silence::Silence,
};
use keyward_types::{storage::VolumeId, time::Monotonic};

/// How often the places of a volume on this machine are looked after, in milliseconds.
const LOOK_AFTER: u64 = 1_000;
/// The same after something has failed.
const AFTER_FAILURE: u64 = 5_000;
/// How often it is asked whether it may be mounted there.
const ASK: u64 = 60_000;
/// After how long a step is said to hang, in milliseconds. The check of a large file system may take longer.
const STUCK: u64 = 5 * 60_000;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Memory {
    /// What is being done, for the operator; and since when, if it is watched.
    busy: Option<(String, Option<Monotonic>)>,
    failure: Option<Failure>,
    told: Option<Told>,
    /// What became of its mount targets.
    pub targets: Option<Vec<TargetReport>>,
    /// Whether its process still answers.
    pub silence: Silence,
    /// The newest question that its process has answered. Whoever hears the answer says so here: it must not wait behind
    /// other events while the agent decides that there is none.
    pub heard: Arc<AtomicU64>,
    /// Its places on this machine.
    places: Places,
    /// The volume that it is being made from.
    origin: Option<VolumeId>,
    /// Held by who ends its database server.
    database: Arc<()>,
}

impl Memory {
    /// What whoever ends its database server holds until that is done; none if somebody does.
    pub fn ends_database(&self) -> Option<Arc<()>> {
        let is_free = Arc::strong_count(&self.database) == 1;
        is_free.then(|| Arc::clone(&self.database))
    }

    /// A step is begun, which the operator is told in these words; at this time, if it is watched.
    pub fn begun(&mut self, what: String, watched: Option<Monotonic>) {
        self.busy = Some((what, watched));
    }

    /// Whether a step is being done, and for so long that others must not wait for it: the process of its volume may hang.
    pub fn is_stuck(&self, now: Monotonic) -> bool {
        let since = self.busy.as_ref().and_then(|(_, since)| *since);
        since.is_some_and(|since| now.millis_since(since) >= STUCK)
    }

    /// It is being made from this volume.
    pub fn copies(&mut self, origin: Option<VolumeId>) {
        self.origin = origin;
    }

    /// Whether it is being made from this volume.
    pub fn copies_from(&self, volume: &VolumeId) -> bool {
        self.origin.as_ref() == Some(volume)
    }

    /// It is done.
    pub fn succeeded(&mut self) {
        (self.busy, self.failure, self.origin) = (None, None, None);
    }

    /// It has failed.
    pub fn failed(&mut self, why: String, now: Monotonic) {
        let failure = Failure::after(self.failure.as_ref(), why, now);
        (self.busy, self.failure, self.origin) = (None, Some(failure), None);
    }

    /// What has failed may be tried again at once.
    pub const fn try_again(&mut self, now: Monotonic) {
        if let Some(failure) = &mut self.failure {
            failure.again = now;
        }
    }

    /// Whether a step is being done.
    pub const fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// What is being done, if anything is.
    pub fn doing(&self) -> Option<&str> {
        self.busy.as_ref().map(|(what, _)| what.as_str())
    }

    /// Whether the last step failed.
    pub const fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Why the last step failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure
            .as_ref()
            .map(|failure| failure.message.as_str())
    }

    /// What is seen, with what is remembered.
    pub fn complete(&self, local: Local, now: Monotonic) -> Local {
        let runs = match local.runs {
            // Nobody keeps it any more.
            Runs::Mounted if self.silence.hangs() => Runs::Remains,
            runs => runs,
        };
        Local {
            runs,
            busy: self.is_busy(),
            failure: self.stuck(now).or_else(|| self.failure.clone()),
            ..local
        }
    }

    /// What is said of a step that is being done for long.
    fn stuck(&self, now: Monotonic) -> Option<Failure> {
        let (what, _) = self.busy.as_ref().filter(|_| self.is_stuck(now))?;
        let message = format!(
            "this has taken longer than {} minutes: {what}. The volume's process may hang, or wait for its disk: its log, in the agent's keepers/ directory, says how far it has come",
            STUCK / 60_000
        );
        Some(Failure {
            message,
            count: 0,
            again: now,
        })
    }

    /// The server has been told.
    pub fn told(&mut self, report: Report, now: Monotonic) {
        self.told = Some(Told::new(report, now));
    }

    /// The server may have been told something, or nothing is known of what it still knows: whatever is true is told again.
    pub fn perhaps_told(&mut self) {
        self.told = None;
    }

    /// What it was told last.
    pub const fn last(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// Whether it is time to look after the places of the volume on this machine, and what is known of them then. It is
    /// taken as begun.
    ///
    /// `grace` is how long they stay without an answer.
    pub fn look_after(
        &mut self,
        revision: u64,
        grace: Duration,
        now: Monotonic,
    ) -> Option<LookAfter> {
        self.places.begin(revision, grace, now)
    }

    /// The server has not answered something else: it is asked at once whether the volume may be mounted in its places.
    pub const fn ask_again(&mut self) {
        self.places.asked = None;
    }

    /// They have been looked after.
    pub fn looked_after(&mut self, looked: LookAfter, done: anyhow::Result<()>) {
        self.places.end(looked, done);
    }
}

/// The places of a volume on this machine.
#[derive(Debug, Default)]
struct Places {
    underway: bool,
    last: Option<Monotonic>,
    /// When it was asked last whether it may be mounted, and at which revision.
    asked: Option<(u64, Monotonic)>,
    allowed: BTreeMap<PathBuf, bool>,
    /// Since when a question has had no answer.
    silent: Option<Monotonic>,
    /// Whether a failure has been logged.
    complained: bool,
}

/// One round of looking after places.
#[derive(Debug)]
pub struct LookAfter {
    /// Whether it is to be asked anew whether it may be mounted there.
    pub asks: bool,
    /// Where it may be mounted, as far as is known.
    pub allowed: BTreeMap<PathBuf, bool>,
    /// Whether the grace is over, so that it may not be mounted where there is no answer again.
    pub is_over: bool,
    /// Whether a question has had no answer.
    pub silent: bool,
}

impl Places {
    fn begin(&mut self, revision: u64, grace: Duration, now: Monotonic) -> Option<LookAfter> {
        let every = if self.complained || self.silent.is_some() {
            AFTER_FAILURE
        } else {
            LOOK_AFTER
        };
        let is_early = |before: Monotonic| now.millis_since(before) < every;
        if self.underway || self.last.is_some_and(is_early) {
            return None;
        }
        (self.underway, self.last) = (true, Some(now));
        let is_known =
            |(known, at): (u64, Monotonic)| known == revision && now.millis_since(at) < ASK;
        let asks = self.silent.is_some() || !self.asked.is_some_and(is_known);
        let waited = |since| Duration::from_millis(now.millis_since(since));
        if asks {
            self.asked = Some((revision, now));
        }
        Some(LookAfter {
            asks,
            allowed: self.allowed.clone(),
            is_over: self.silent.is_some_and(|since| waited(since) >= grace),
            silent: false,
        })
    }

    /// A failure is logged once, until it is over.
    fn end(&mut self, looked: LookAfter, done: anyhow::Result<()>) {
        self.underway = false;
        self.allowed = looked.allowed;
        if looked.asks || looked.silent {
            self.silent = self.silent.or(self.last).filter(|_| looked.silent);
        }
        match done {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                tracing::warn!(error = format!("{error:#}"), "it is tried again");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    #[test]
    fn rights_are_asked_for_once_a_minute_and_when_they_may_have_changed() {
        let at = Monotonic::from_millis;
        let mut memory = Memory::default();
        let mut asks = |revision, now| {
            let looked = memory.look_after(revision, GRACE, at(now))?;
            let asks = looked.asks;
            memory.looked_after(looked, Ok(()));
            Some(asks)
        };
        assert_eq!(asks(1, 0), Some(true));
        assert_eq!(asks(1, 500), None);
        assert_eq!(asks(1, 1_000), Some(false));
        assert_eq!(asks(2, 2_000), Some(true));
        assert_eq!(asks(2, 61_999), Some(false));
        assert_eq!(asks(2, 63_000), Some(true));
    }

    #[test]
    fn a_step_that_takes_long_is_said_to_hang_and_others_do_not_wait_for_it() {
        let at = Monotonic::from_millis;
        let mut memory = Memory::default();
        let said = |memory: &Memory, now| {
            let local = memory.complete(Local::default(), at(now));
            local.failure.map(|failure| failure.message)
        };
        memory.begun("attaching it".to_owned(), Some(at(7)));
        assert!(!memory.is_stuck(at(STUCK)));
        assert_eq!(said(&memory, STUCK), None);
        assert!(memory.is_stuck(at(STUCK + 7)));
        let text = said(&memory, STUCK + 7).unwrap();
        assert!(
            text.starts_with("this has taken longer than 5 minutes: attaching it. "),
            "{text}"
        );
        memory.succeeded();
        assert!(!memory.is_stuck(at(2 * STUCK)));
        assert_eq!(said(&memory, 2 * STUCK), None);
        // A large backup takes its time.
        memory.begun("restoring a backup".to_owned(), None);
        assert!(!memory.is_stuck(at(100 * STUCK)));
    }

    #[test]
    fn one_round_is_done_at_a_time() {
        let at = Monotonic::from_millis;
        let mut memory = Memory::default();
        let looked = memory.look_after(1, GRACE, at(0)).unwrap();
        assert!(memory.look_after(1, GRACE, at(10_000)).is_none());
        memory.looked_after(looked, Err(anyhow::anyhow!("no")));
        assert!(memory.look_after(1, GRACE, at(4_999)).is_none());
        assert!(memory.look_after(1, GRACE, at(5_000)).is_some());
    }

    #[test]
    fn without_an_answer_it_is_asked_again_and_over_when_the_grace_is() {
        let at = Monotonic::from_millis;
        let mut memory = Memory::default();
        let mut is_over = |now, silent| {
            let mut looked = memory.look_after(1, GRACE, at(now))?;
            let asked = (looked.asks, looked.is_over);
            looked.silent = looked.asks && silent;
            memory.looked_after(looked, Ok(()));
            Some(asked)
        };
        assert_eq!(is_over(0, true), Some((true, false)));
        assert_eq!(is_over(4_999, true), None);
        assert_eq!(is_over(5_000, true), Some((true, false)));
        assert_eq!(is_over(59_999, true), Some((true, false)));
        assert_eq!(is_over(65_000, true), Some((true, true)));
        // An answer begins anew.
        assert_eq!(is_over(70_000, false), Some((true, true)));
        assert_eq!(is_over(71_000, true), Some((false, false)));
        assert_eq!(is_over(131_000, true), Some((true, false)));
    }
}
