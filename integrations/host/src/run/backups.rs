//! When the agent makes backups, and what becomes of them. One thing is done at a time: backups are listed, made or put back
//! beside the task that decides, and end in an event.

mod asked;
mod show;
mod underway;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{beats::Beats, door::Asked};
use anyhow::anyhow;
use keyward_agent::{
    backup::{self, Backup, ByHand, Failed, Made},
    local::Runs,
    note::Stage,
    report::BackupReport,
    wanted::{Presence, Wanted},
};
use keyward_types::{
    shown::with_causes,
    storage::VolumeId,
    time::{Clock as _, Monotonic, Timestamp},
};
use tokio::task::spawn_blocking;

use self::underway::Underway;
use super::{
    super::host::{Backups, Host},
    Agent, Event, Memory,
};

/// How often the place is read, in milliseconds, to see what others have removed.
const LIST_EVERY: u64 = 60 * 60 * 1000;
/// How often backups expire of volumes that are not backed up any more, in milliseconds.
const PRUNE_EVERY: u64 = 24 * 60 * 60 * 1000;
/// The first time after this one, so that an agent that starts again and again does not remove more.
const FIRST_PRUNE: u64 = 60 * 60 * 1000;
/// What is said of a volume that is to be backed up, and cannot be.
const NO_PLACE: &str =
    "this agent has no place for backups: start it with `keyward agent run --backup-to`";

/// What is known of backups.
#[derive(Default)]
pub struct Rounds {
    volumes: BTreeMap<VolumeId, Made>,
    /// Of the newest backup of each encrypted volume that was made since the agent has started.
    generations: BTreeMap<VolumeId, u64>,
    /// What is being done.
    underway: Option<Underway>,
    /// When the place was last read, and how that went wrong, if it did.
    listed: Option<Monotonic>,
    failed: Option<Failed>,
    /// When backups expire that are not made any more.
    prunes: Option<Monotonic>,
    /// Who has asked for a backup at once.
    asked: VecDeque<(VolumeId, Asked)>,
    /// When the agent has found out that it has no place.
    no_place: Option<Timestamp>,
}

/// What has become of something.
pub enum Happened {
    /// The place was read.
    Listed(anyhow::Result<BTreeMap<VolumeId, Vec<Backup>>>),
    /// A backup was made, by hand or by the schedule, and some expired.
    Made {
        volume: VolumeId,
        backup: Backup,
        made: anyhow::Result<Option<u64>>,
        expired: Vec<Backup>,
    },
    /// An image was put back.
    Restored(VolumeId, anyhow::Result<String>, Asked),
}

impl Rounds {
    /// Whether an agent that ends should wait for what is being done.
    pub fn is_waited_for(&mut self, now: Monotonic) -> bool {
        let underway = self.underway.as_mut();
        underway.is_some_and(|underway| underway.is_waited_for(now))
    }

    /// What the server is told of a volume's backups.
    pub fn report(&mut self, host: &Host, wanted: &Wanted, now: Timestamp) -> Option<BackupReport> {
        if host.keeping.backups.is_none() {
            if !wanted.back_up {
                return None;
            }
            let since = *self.no_place.get_or_insert(now);
            return Some(BackupReport {
                tried: since.seconds().max(0),
                time: None,
                generation: wanted.backup_generation,
                message: Some(NO_PLACE.to_owned()),
                by_hand: false,
            });
        }
        let own = self.generations.get(&wanted.volume).copied();
        let generation = own.max(wanted.backup_generation);
        let known = self.volumes.get(&wanted.volume)?;
        known.report(now, (wanted.back_up, generation))
    }
}

impl Agent {
    /// Begins what is to be done about backups, if nothing is being done.
    pub(super) fn back_up(&mut self, wanted: &BTreeMap<VolumeId, Wanted>) {
        let Some(config) = self.host.keeping.backups.clone() else {
            return;
        };
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let is_one = |volume: &&VolumeId| {
            let seen = self.seen.get(*volume).and_then(|seen| seen.note.as_ref());
            let is_made = seen.is_some_and(|note| note.stage == Stage::Made);
            let to_be = |wanted: &Wanted| wanted.back_up && wanted.presence == Presence::Present;
            is_made && wanted.get(*volume).is_some_and(to_be)
        };
        let all: BTreeSet<VolumeId> = wanted.keys().filter(is_one).cloned().collect();
        for volume in &all {
            let made = self.backups.volumes.entry(volume.clone()).or_default();
            made.look(now);
        }
        if self.backups.underway.is_some() {
            self.notice_silence(&config, &all);
            return;
        }
        let rounds = &self.backups;
        let waits = rounds
            .failed
            .as_ref()
            .is_some_and(|failed| failed.waits(monotonic));
        let is_old = |at: Monotonic| monotonic.millis_since(at) >= LIST_EVERY;
        if rounds.listed.is_none_or(is_old) && !waits {
            self.list(config, (&all, wanted), monotonic);
            return;
        }
        if let Some((volume, asked)) = self.backups.asked.pop_front() {
            self.make(config, &volume, Backup::begun(now, false), Some(asked));
            return;
        }
        let rounds = &self.backups;
        if rounds.listed.is_none() {
            return;
        }
        let due = rounds
            .volumes
            .iter()
            .filter(|(volume, _)| all.contains(volume) && !self.is_on_its_way(volume));
        let next = backup::next(config.schedule, due, false, (now, monotonic)).cloned();
        if let Some(volume) = next {
            self.make(config, &volume, Backup::begun(now, true), None);
        }
    }

    /// Whether a volume is being attached, so that it is not time yet to say that it cannot be backed up.
    fn is_on_its_way(&self, volume: &VolumeId) -> bool {
        let runs = self.seen.get(volume).map(|seen| &seen.local.runs);
        let failed = self.memory.get(volume).is_some_and(Memory::has_failed);
        !failed && !matches!(runs, Some(Runs::Mounted | Runs::CutOff(_)))
    }

    /// Reads the place. Backups of volumes that are not backed up any more expire meanwhile, if that is due.
    fn list(
        &mut self,
        config: Backups,
        (all, wanted): (&BTreeSet<VolumeId>, &BTreeMap<VolumeId, Wanted>),
        now: Monotonic,
    ) {
        let after = |millis: u64| Monotonic::from_millis(now.millis().saturating_add(millis));
        let prunes = *self.backups.prunes.get_or_insert(after(FIRST_PRUNE));
        // What other agents back up is theirs.
        let ended: Option<BTreeSet<VolumeId>> = (prunes.millis() <= now.millis()).then(|| {
            let own = wanted.keys().filter(|volume| !all.contains(volume));
            own.cloned().collect()
        });
        if ended.is_some() {
            self.backups.prunes = Some(after(PRUNE_EVERY));
        }
        let beats = Beats::default();
        self.backups.underway = Some(Underway::new((None, None), beats.clone(), now));
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        let time = self.clock.now();
        tokio::spawn(async move {
            let listed = spawn_blocking(move || {
                let mut listed = config.list(&beats)?;
                if let Some(ended) = ended
                    && let Err(error) = prune(&config, &host, (&ended, &mut listed), (time, &beats))
                {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "backups that have expired cannot be removed yet");
                }
                Ok(listed)
            });
            let listed = listed.await.unwrap_or_else(|error| Err(error.into()));
            let _ = events.send(Event::Backups(Happened::Listed(listed))).await;
        });
    }

    /// Has a backup made.
    fn make(
        &mut self,
        config: Backups,
        volume: &VolumeId,
        mut backup: Backup,
        asked: Option<Asked>,
    ) {
        let seen = self.seen.get(volume).and_then(|seen| seen.note.clone());
        let Some(note) = seen else {
            if let Some(asked) = asked {
                asked.reply(Err(anyhow!("{volume} is not there any more")));
            }
            return;
        };
        let known = self.backups.volumes.get(volume);
        let mut known = known.map(|made| made.backups.clone()).unwrap_or_default();
        while known.contains(&backup) {
            // The last one took less than a second.
            backup.at = backup.at.plus_millis(1000);
        }
        tracing::info!(%volume, backup = backup.name(), "backing the volume up");
        let (beats, now) = (Beats::default(), self.clock.monotonic());
        let underway = Underway::new((Some(volume.clone()), asked), beats.clone(), now);
        self.backups.underway = Some(underway);
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        let volume = volume.clone();
        tokio::spawn(async move {
            let done = spawn_blocking(move || {
                let made = config.make(&host, (&note, backup), &beats);
                let mut expired = Vec::new();
                if made.is_ok() && backup.is_scheduled {
                    known.push(backup);
                    expired = backup::expired(config.schedule, &known, false, backup.at);
                    if let Err(error) = config.remove(&note.volume, &expired, &beats) {
                        let error = format!("{error:#}");
                        tracing::warn!(volume = %note.volume, error, "backups that have expired cannot be removed yet");
                        expired = Vec::new();
                    }
                }
                (made, expired)
            });
            let done = done.await;
            let (made, expired) = done.unwrap_or_else(|error| (Err(error.into()), Vec::new()));
            let happened = Happened::Made {
                volume,
                backup,
                made,
                expired,
            };
            let _ = events.send(Event::Backups(happened)).await;
        });
    }

    /// Takes notice of what has become of something.
    pub(super) fn backed_up(&mut self, happened: Happened) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let rounds = &mut self.backups;
        match happened {
            Happened::Listed(Ok(mut listed)) => {
                rounds.underway = None;
                rounds.listed = Some(monotonic);
                rounds.failed = None;
                self.server.tell_of_place(None);
                for (volume, made) in &mut rounds.volumes {
                    made.backups = listed.remove(volume).unwrap_or_default();
                }
                for (volume, backups) in listed {
                    rounds.volumes.entry(volume).or_default().backups = backups;
                }
            }
            Happened::Listed(Err(error)) => {
                rounds.underway = None;
                let message = with_causes(error.as_ref());
                tracing::warn!(
                    error = message,
                    "no backup can be made: the place for backups cannot be used"
                );
                self.server.tell_of_place(Some(&message));
                let clocks = (now, monotonic);
                for made in rounds.volumes.values_mut() {
                    let failed = Failed::after(made.failed.as_ref(), message.clone(), clocks);
                    made.failed = Some(failed);
                }
                rounds.failed = Some(Failed::after(rounds.failed.as_ref(), message, clocks));
            }
            Happened::Made {
                volume,
                backup,
                made,
                expired,
            } => {
                let asked = rounds.underway.take().and_then(|underway| underway.asked);
                let known = rounds.volumes.entry(volume.clone()).or_default();
                let said = match made {
                    Ok(generation) => {
                        (known.failed, known.by_hand) = (None, None);
                        if !backup.is_scheduled {
                            known.by_hand = Some(ByHand {
                                at: backup.at,
                                failure: None,
                            });
                        }
                        // Whatever was wrong with the place, is not any more.
                        rounds.failed = None;
                        self.server.tell_of_place(None);
                        known.backups.push(backup);
                        known.backups.retain(|backup| !expired.contains(backup));
                        if let Some(generation) = generation {
                            rounds.generations.insert(volume.clone(), generation);
                        }
                        let name = backup.name();
                        let expired = expired.len();
                        tracing::info!(%volume, name, expired, "a backup was made");
                        Ok(format!("Made the backup {volume}/{name}, and verified it."))
                    }
                    Err(error) => {
                        let message = with_causes(error.as_ref());
                        // What was tried by hand does not hold the schedule up.
                        if !backup.is_scheduled {
                            tracing::warn!(%volume, error = message, "the volume could not be backed up by hand");
                            known.by_hand = Some(ByHand {
                                at: now,
                                failure: Some(message),
                            });
                        } else {
                            tracing::warn!(%volume, error = message, "the volume cannot be backed up, and it is tried again later");
                            let before = known.failed.as_ref();
                            known.failed = Some(Failed::after(before, message, (now, monotonic)));
                        }
                        Err(error)
                    }
                };
                if let Some(asked) = asked {
                    asked.reply(said);
                }
            }
            Happened::Restored(volume, done, asked) => {
                let memory = self.memory.entry(volume.clone()).or_default();
                memory.succeeded();
                if let Err(error) = &done {
                    let error = format!("{error:#}");
                    tracing::warn!(%volume, error, "the backup was not restored");
                }
                asked.reply(done);
            }
        }
    }
}

/// Removes what has expired of volumes that are not backed up any more, or were deleted here.
fn prune(
    config: &Backups,
    host: &Host,
    (ended, listed): (&BTreeSet<VolumeId>, &mut BTreeMap<VolumeId, Vec<Backup>>),
    (now, beats): (Timestamp, &Beats),
) -> anyhow::Result<()> {
    let deleted = host.layout.deleted_volumes()?;
    let all = ended.iter().chain(&deleted);
    for volume in all.collect::<BTreeSet<_>>() {
        let is_gone = deleted.contains(volume);
        let backups = listed.get_mut(volume);
        let Some(backups) = backups.filter(|backups| !backups.is_empty()) else {
            if is_gone {
                host.layout.forget_deleted(volume)?;
            }
            continue;
        };
        let expired = backup::expired(config.schedule, backups, is_gone, now);
        config.remove(volume, &expired, beats)?;
        backups.retain(|backup| !expired.contains(backup));
    }
    Ok(())
}

/// Lets those go on who write to volumes that an agent has frozen which was killed then.
///
/// # Errors
/// When it cannot be seen which volumes there are.
pub fn thaw(host: &Host) -> anyhow::Result<()> {
    let noted = host.noted()?.into_iter();
    let notes = noted.filter_map(|noted| noted.note.ok());
    for note in notes.filter(|note| !note.encrypted) {
        if let Err(error) = host.with_plain(&note, |plain| plain.thaw()) {
            let error = format!("{error:#}");
            tracing::error!(volume = %note.volume, error, "the volume may be frozen");
        }
    }
    Ok(())
}
