//! What is being done with the place for backups, and how long the place has not answered.

use std::collections::BTreeSet;

use anyhow::anyhow;
use keyward_agent::backup::{ByHand, Failed};
use keyward_types::{
    storage::VolumeId,
    time::{Clock as _, Monotonic},
};

use super::{Asked, Backups};
use crate::{beats::Beats, run::Agent};

/// How long the place may say nothing until that counts as a failure, in milliseconds. A request to a bucket that is sent
/// again and again may take so long.
const STALLED: u64 = 5 * 60 * 1000;
/// How long an agent that ends waits for a place that says nothing, in milliseconds.
const AT_THE_END: u64 = 5_000;

/// Something that is being done.
pub struct Underway {
    /// The volume that is backed up; none if the place is listed.
    pub volume: Option<VolumeId>,
    /// Who waits for it.
    pub asked: Option<Asked>,
    beats: Beats,
    /// How many steps were done when that last changed, and when.
    last: (Option<u64>, Monotonic),
    /// Whether it was told that the place does not answer.
    is_told: bool,
}

impl Underway {
    /// It begins.
    pub fn new(
        (volume, asked): (Option<VolumeId>, Option<Asked>),
        beats: Beats,
        now: Monotonic,
    ) -> Self {
        Self {
            volume,
            asked,
            beats,
            last: (None, now),
            is_told: false,
        }
    }

    /// How long the place has not answered, in milliseconds.
    fn silence(&mut self, now: Monotonic) -> u64 {
        let count = self.beats.count();
        if count.is_none() || count != self.last.0 {
            self.last = (count, now);
        }
        now.millis_since(self.last.1)
    }

    /// Whether it is time to say that the place does not answer, once.
    fn has_stalled(&mut self, now: Monotonic) -> bool {
        let has = !self.is_told && self.silence(now) >= STALLED;
        self.is_told |= has;
        has
    }

    /// Whether an agent that ends should wait for it: while a volume is copied, it cannot be detached.
    pub fn is_waited_for(&mut self, now: Monotonic) -> bool {
        self.silence(now) < AT_THE_END || self.beats.is_copying()
    }

    /// What is said of it, once it has stalled.
    fn stalled(&self, config: &Backups) -> String {
        match &self.volume {
            Some(volume) if self.beats.is_copying() => format!(
                "the copy of {volume} for its backup, in {}, has not grown for {} minutes, and no backup is made until it does: see whether that directory can be written to, or choose another one with --backup-work-dir",
                config.work.display(),
                STALLED / 60_000
            ),
            _ => silent(config),
        }
    }

    /// Whether the place does not answer.
    pub const fn is_stalled(&self) -> bool {
        self.is_told
    }
}

/// What is said of a place that does not answer.
pub fn silent(config: &Backups) -> String {
    format!(
        "the place for backups, {}, has not answered for {} minutes, and no backup is made until it does: see whether it can be read and written to",
        config.to,
        STALLED / 60_000
    )
}

impl Agent {
    /// Takes notice of a place that has not answered for long: whoever waits for a backup hears it, and so does the server, of
    /// each volume, of `all` that are to be backed up, that is due now.
    pub(super) fn notice_silence(&mut self, config: &Backups, all: &BTreeSet<VolumeId>) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let rounds = &mut self.backups;
        let Some(underway) = &mut rounds.underway else {
            return;
        };
        if !underway.has_stalled(monotonic) {
            return;
        }
        let message = underway.stalled(config);
        tracing::warn!(error = message, "no backup can be made");
        self.server.tell_of_place(Some(&message));
        let waiting = underway.asked.take();
        if let Some(volume) = underway.volume.as_ref().filter(|_| waiting.is_some()) {
            let made = rounds.volumes.entry(volume.clone()).or_default();
            made.by_hand = Some(ByHand {
                at: now,
                failure: Some(message.clone()),
            });
        }
        let queued = rounds.asked.drain(..).map(|(_, asked)| asked);
        for asked in waiting.into_iter().chain(queued) {
            asked.reply(Err(anyhow!(message.clone())));
        }
        for (volume, made) in &mut rounds.volumes {
            if all.contains(volume) && made.is_due(config.schedule, now) {
                let failed = Failed::after(made.failed.as_ref(), message.clone(), (now, monotonic));
                made.failed = Some(failed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_says_nothing_for_five_minutes_is_told_once() {
        let at = Monotonic::from_millis;
        let beats = Beats::default();
        let mut underway = Underway::new((None, None), beats.clone(), at(0));
        // What is done before may take as long as it takes.
        assert!(!underway.has_stalled(at(10 * STALLED)));
        assert!(underway.is_waited_for(at(20 * STALLED)));
        beats.waits_for_place();
        let begun = 20 * STALLED;
        assert!(!underway.has_stalled(at(begun)));
        assert!(!underway.has_stalled(at(begun + STALLED - 1)));
        beats.beat();
        let last = begun + STALLED;
        assert!(!underway.has_stalled(at(last)));
        assert!(!underway.has_stalled(at(last + STALLED - 1)));
        assert!(!underway.is_stalled());
        assert!(underway.has_stalled(at(last + STALLED)));
        assert!(!underway.has_stalled(at(last + STALLED + 1)));
        assert!(underway.is_stalled());
    }

    #[test]
    fn a_copy_that_does_not_grow_for_five_minutes_is_told_and_an_agent_that_ends_waits_for_it() {
        let at = Monotonic::from_millis;
        let beats = Beats::default();
        let mut underway = Underway::new((None, None), beats.clone(), at(0));
        beats.copies();
        assert!(!underway.has_stalled(at(0)));
        assert!(!underway.has_stalled(at(STALLED - 1)));
        assert!(underway.has_stalled(at(STALLED)));
        assert!(underway.is_waited_for(at(2 * STALLED)));
        beats.copied();
        assert!(underway.is_waited_for(at(3 * STALLED)));
    }

    #[test]
    fn an_agent_that_ends_does_not_wait_for_a_place_that_says_nothing() {
        let at = Monotonic::from_millis;
        let beats = Beats::default();
        beats.waits_for_place();
        let mut underway = Underway::new((None, None), beats.clone(), at(0));
        assert!(underway.is_waited_for(at(1)));
        assert!(underway.is_waited_for(at(AT_THE_END)));
        assert!(!underway.is_waited_for(at(AT_THE_END + 1)));
        beats.beat();
        assert!(underway.is_waited_for(at(AT_THE_END + 2)));
    }
}
