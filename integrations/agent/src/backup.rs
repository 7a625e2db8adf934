//! Backups: what they are called, when one is due, and which have expired.
//!
//! What has been backed up is read from the names of the copies in the place for backups, so that an agent that has lost
//! everything goes on where it was. Decisions take the clock as it is, which may have been set wrong or back:
//!
//! - A backup that was once seen to be of the future never counts as a day's.
//! - No more than [`MOST_EXPIRED`] backups of a volume expire at once, so that a clock that is years ahead does not
//!   end them all.
//! - The newest backup stays, however old it is, until its volume is deleted; and what the schedule has not made stays
//!   until somebody removes it.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use keyward_types::{
    storage::VolumeId,
    time::{DAY_MILLIS, Monotonic, Timestamp},
};

use crate::report::BackupReport;

/// The hour at which a day's backup is due, unless another one is given: that of AWS Backup's plan for EFS.
pub const USUAL_HOUR: u8 = 5;
/// How many days a backup is kept, unless another number is given: as many as AWS Backup's plan for EFS keeps it.
pub const USUAL_DAYS: u16 = 35;
/// The most backups of one volume that expire at once: more than are made, so that those that are left over go, too.
pub const MOST_EXPIRED: usize = 2;
/// By how much the clock may have been set back, in milliseconds, without that a day's backup is made again.
const SET_BACK: i64 = 60 * 60 * 1000;
/// How long is waited after an attempt that failed; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// How long is waited at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// What names of backups begin with, before their time.
const BY_SCHEDULE: &str = "scheduled-";
const BY_HAND: &str = "manual-";

/// When backups are made, and how long they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The hour in UTC, 0 to 23.
    pub hour: u8,
    /// How many days of 24 hours each is kept.
    pub days: u16,
}

/// A backup of a volume. Its name says all that is to be known to decide about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backup {
    /// When it was begun, to the second.
    pub at: Timestamp,
    /// Whether the schedule has made it, and not somebody by hand.
    pub is_scheduled: bool,
}

/// An attempt that failed, once or several times in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Why, for the operator.
    pub message: String,
    /// When the last one was.
    pub at: Timestamp,
    count: u32,
    again: Monotonic,
}

/// The last attempt that somebody has made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// When it was begun.
    pub at: Timestamp,
    /// Why it failed, if it did, for the operator.
    pub failure: Option<String>,
}

/// What is known of a volume's backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Those that there are, in any order.
    pub backups: Vec<Backup>,
    /// Those that were made by a clock that was ahead: when their time comes, they are still what they were.
    ahead: BTreeSet<Backup>,
    /// What went wrong, if the last attempt failed.
    pub failed: Option<Failed>,
    /// The last attempt by hand, unless the schedule has made a backup since. It does not hold the schedule up.
    pub by_hand: Option<ByHand>,
}

impl Backup {
    /// A backup that is begun now.
    pub const fn begun(now: Timestamp, is_scheduled: bool) -> Self {
        Self {
            at: Timestamp::from_seconds(now.seconds()),
            is_scheduled,
        }
    }

    /// What it is called among the backups of its volume, such as `scheduled-20261130T050000Z`.
    pub fn name(self) -> String {
        let kind = if self.is_scheduled {
            BY_SCHEDULE
        } else {
            BY_HAND
        };
        format!("{kind}{}", self.at.iso8601_basic())
    }

    /// Reads a name. What is called otherwise is not an agent's backup.
    pub fn parse(name: &str) -> Option<Self> {
        let (is_scheduled, time) = match name.strip_prefix(BY_SCHEDULE) {
            Some(time) => (true, time),
            None => (false, name.strip_prefix(BY_HAND)?),
        };
        let backup = Self {
            at: parse_time(time)?,
            is_scheduled,
        };
        // So no date is one that there is not, such as the 31st of November.
        (backup.name() == name).then_some(backup)
    }
}

/// `20261130T050000Z`, of a year that has four digits.
fn parse_time(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|_| all)
    };
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let possible = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !possible || day > 31 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970 by Howard Hinnant's `days_from_civil`, where years begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_seconds(seconds))
}

impl Failed {
    /// A failure at this time, after an earlier one or none.
    pub fn after(
        before: Option<&Self>,
        message: String,
        (at, now): (Timestamp, Monotonic),
    ) -> Self {
        let count = before.map_or(0, |failed| failed.count).saturating_add(1);
        let wait = FIRST_WAIT.saturating_mul(1 << count.saturating_sub(1).min(10));
        let wait = u64::try_from(wait.min(LONGEST_WAIT).as_millis()).unwrap_or(u64::MAX);
        Self {
            message,
            at,
            count,
            again: Monotonic::from_millis(now.millis().saturating_add(wait)),
        }
    }

    /// Whether it is too early to try again.
    pub const fn waits(&self, now: Monotonic) -> bool {
        self.again.millis() > now.millis()
    }
}

impl Made {
    /// Takes notice of what the clock says.
    pub fn look(&mut self, now: Timestamp) {
        let backups = self.backups.iter().copied();
        self.ahead
            .extend(backups.filter(|backup| !has_been(*backup, now)));
        self.ahead.retain(|backup| self.backups.contains(backup));
    }

    /// The scheduled ones that were made when their names say.
    fn scheduled(&self, now: Timestamp) -> impl Iterator<Item = Backup> {
        let known = self.backups.iter().copied();
        known.filter(move |backup| {
            backup.is_scheduled && has_been(*backup, now) && !self.ahead.contains(backup)
        })
    }

    /// Whether a backup is due: whether there is none since the last hour of the schedule. So the first one is due at
    /// once, and one that was missed is made as soon as it can be.
    pub fn is_due(&self, schedule: Schedule, now: Timestamp) -> bool {
        let since = last_due(schedule, now);
        !self.scheduled(now).any(|backup| backup.at >= since)
    }

    /// The newest backup that is not of the future.
    pub fn newest(&self, now: Timestamp) -> Option<Backup> {
        let known = self.backups.iter().copied();
        known.filter(|backup| has_been(*backup, now)).max()
    }

    /// When the last attempt failed, why, and whether somebody has made it by hand; `None` if it did not
    /// fail.
    pub fn failure(&self) -> Option<(Timestamp, &str, bool)> {
        let by_hand = self.by_hand.as_ref();
        let by_hand = by_hand.and_then(|by_hand| Some((by_hand.at, by_hand.failure.as_ref()?)));
        match (&self.failed, by_hand) {
            (Some(failed), Some((at, _))) if failed.at >= at => {
                Some((failed.at, &failed.message, false))
            }
            (_, Some((at, message))) => Some((at, message, true)),
            (Some(failed), None) => Some((failed.at, &failed.message, false)),
            (None, None) => None,
        }
    }

    /// What the server is told; nothing if there is nothing to tell. Unless the schedule `backs_up` the volume, only what
    /// somebody has done by hand is.
    pub fn report(
        &self,
        now: Timestamp,
        (backs_up, generation): (bool, Option<u64>),
    ) -> Option<BackupReport> {
        let failure = self
            .failure()
            .filter(|(_, _, by_hand)| backs_up || *by_hand);
        let by_hand = match failure {
            Some((_, _, by_hand)) => by_hand,
            None => !backs_up && self.by_hand.is_some(),
        };
        if !backs_up && !by_hand {
            return None;
        }
        let newest = self.newest(now);
        let tried = match (failure, newest) {
            (Some((at, _, _)), _) => at,
            (None, Some(newest)) => newest.at,
            (None, None) => return None,
        };
        Some(BackupReport {
            tried: tried.seconds().max(0),
            time: newest.map(|newest| newest.at.seconds()),
            // What the server was told by a stolen agent may be as large as its numbers go.
            generation: generation.map(|number| number.min(i64::MAX.cast_unsigned())),
            message: failure.map(|(_, message, _)| message.to_owned()),
            by_hand,
        })
    }
}

/// Whether a backup is not of the future, but for what the clock may have been set back.
fn has_been(backup: Backup, now: Timestamp) -> bool {
    backup.at.millis_since(now) <= SET_BACK
}

/// The last moment at which a backup was due.
fn last_due(schedule: Schedule, now: Timestamp) -> Timestamp {
    let midnight = now
        .millis()
        .saturating_sub(now.millis().rem_euclid(DAY_MILLIS));
    let due = Timestamp::from_millis(midnight).plus_millis(i64::from(schedule.hour) * 3_600_000);
    if due > now { due.plus_days(-1) } else { due }
}

/// Of the volumes that are to be backed up, the one whose turn it is: whose last scheduled backup is the oldest, of those for
/// which one is due and has not just failed. While a backup is being made, none.
pub fn next<'v>(
    schedule: Schedule,
    volumes: impl IntoIterator<Item = (&'v VolumeId, &'v Made)>,
    underway: bool,
    (now, monotonic): (Timestamp, Monotonic),
) -> Option<&'v VolumeId> {
    if underway {
        return None;
    }
    let waits = |made: &Made| {
        let failed = made.failed.as_ref();
        failed.is_some_and(|failed| failed.waits(monotonic))
    };
    let due = volumes
        .into_iter()
        .filter(|(_, made)| !waits(made) && made.is_due(schedule, now));
    let last = |made: &Made| made.scheduled(now).max();
    // Those that have just failed come after the others.
    let key = |made: &Made| (made.failed.as_ref().map(|failed| failed.at), last(made));
    due.min_by_key(|(_, made)| key(made))
        .map(|(volume, _)| volume)
}

/// The backups of a volume that have expired, the oldest first, no more than [`MOST_EXPIRED`]. Of a volume that `is_gone`, since
/// it was deleted, the newest one expires, too.
pub fn expired(
    schedule: Schedule,
    backups: &[Backup],
    is_gone: bool,
    now: Timestamp,
) -> Vec<Backup> {
    let scheduled = || backups.iter().copied().filter(|backup| backup.is_scheduled);
    let newest = scheduled().max();
    // If the clock was ahead once, the newest by name is not the newest.
    let newest_so_far = scheduled().filter(|backup| has_been(*backup, now)).max();
    let is_kept =
        |backup: &Backup| !is_gone && (Some(*backup) == newest || Some(*backup) == newest_so_far);
    let age = |backup: &Backup| now.millis_since(backup.at);
    let days = i64::from(schedule.days) * DAY_MILLIS;
    let mut expired: Vec<Backup> = scheduled()
        .filter(|backup| age(backup) > days && !is_kept(backup))
        .collect();
    expired.sort_unstable_by_key(|backup| Reverse(age(backup)));
    expired.truncate(MOST_EXPIRED);
    expired
}

#[cfg(test)]
mod tests;
