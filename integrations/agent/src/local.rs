//! What a machine has of a volume.

use std::time::Duration;

use keyward_types::time::Monotonic;

use crate::note::Stage;

/// How long is waited after the first failure; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long is waited at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// How far it is, as is noted down on disk; `None` if nothing is.
    pub stage: Option<Stage>,
    /// For which generation of what is wanted its image is, if there is one.
    pub generation: u64,
    /// Whether its image is encrypted, as is noted down on disk, if anything is.
    pub encrypted: bool,
    /// How large its image is in bytes, as is noted down on disk, if it is.
    pub size: Option<u64>,
    /// What of it runs.
    pub runs: Runs,
    /// Whether a step is being done.
    pub busy: bool,
    /// What went wrong, if the last step failed.
    pub failure: Option<Failure>,
    /// Whether its image is not in its place, though it was created, and nothing of it runs.
    pub missing: bool,
    /// What is wrong with its image, if that was moved away or deleted while it is attached.
    pub astray: Option<Astray>,
    /// Why nothing may be done with it until somebody has looked, such as that its note cannot be read.
    pub damaged: Option<String>,
}

/// What is wrong with an image that was moved away or deleted while it is attached. It can be used as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Astray {
    /// What has become of it and what to do, for the operator.
    pub message: String,
    /// Whether it has no name any more, so that it is lost when it is detached.
    pub is_deleted: bool,
}

/// What of a volume runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Runs {
    /// Nothing: there is no process, and nothing is mounted.
    #[default]
    Nothing,
    /// What a process has left that was killed, or what is half taken away.
    Remains,
    /// A process that has not mounted it yet.
    Starting,
    /// It is mounted.
    Mounted,
    /// A process that has cut it off for this reason, and brings it back when its key may be used.
    CutOff(String),
}

/// A step that failed, once or several times in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why, for the operator.
    pub message: String,
    /// How often.
    pub count: u32,
    /// When it may be tried again.
    pub again: Monotonic,
}

impl Failure {
    /// A failure at this time, after an earlier one or none.
    pub fn after(before: Option<&Self>, message: String, now: Monotonic) -> Self {
        let count = before.map_or(0, |failure| failure.count).saturating_add(1);
        let wait = FIRST_WAIT.saturating_mul(1 << count.saturating_sub(1).min(10));
        let wait = u64::try_from(wait.min(LONGEST_WAIT).as_millis()).unwrap_or(u64::MAX);
        Self {
            message,
            count,
            again: Monotonic::from_millis(now.millis().saturating_add(wait)),
        }
    }
}

impl Local {
    /// Whether a step may be begun.
    pub fn is_free(&self, now: Monotonic) -> bool {
        self.damaged.is_none() && self.may_be_cut_off(now)
    }

    /// Whether what a process has left may be cut off. A note that does not count keeps nothing readable.
    pub fn may_be_cut_off(&self, now: Monotonic) -> bool {
        let waits = |failure: &Failure| failure.again.millis() > now.millis();
        !self.busy && !self.failure.as_ref().is_some_and(waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_fails_waits_longer_each_time_and_not_for_ever() {
        let now = Monotonic::from_millis(5_000);
        let mut failure = None;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let next = Failure::after(failure.as_ref(), "no".to_owned(), now);
            waits.push((next.again.millis() - 5_000) / 1000);
            failure = Some(next);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        let mut local = Local {
            failure: Some(Failure::after(None, "no".to_owned(), now)),
            ..Local::default()
        };
        assert!(!local.is_free(Monotonic::from_millis(5_999)));
        assert!(local.is_free(Monotonic::from_millis(6_000)));
        local.busy = true;
        assert!(!local.is_free(Monotonic::from_millis(6_000)));
    }
}
