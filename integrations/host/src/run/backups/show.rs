//! What `keyward agent backups` shows.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{anyhow, bail};
use keyward_agent::backup::Backup;
use keyward_types::{storage::VolumeId, time::Timestamp};
use tokio::{task::spawn_blocking, time::timeout};

use super::{Asked, Backups, Rounds, underway::silent};
use crate::{beats::Beats, run::Agent};

/// How long the place may take to answer what it has.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Of which volume the last attempt has failed, when, and why.
type Failure = (VolumeId, Timestamp, String);

impl Agent {
    /// Shows the backups of a volume, or of all.
    pub(super) fn show(&self, config: Backups, volume: Option<VolumeId>, asked: Asked) {
        let failed = self.backups.failures(volume.as_ref());
        let is_own = |volume: &VolumeId| {
            let wanted = self.wanted.as_ref();
            wanted.is_some_and(|wanted| wanted.contains_key(volume))
        };
        if self.backups.is_stalled() {
            // What is known, since the place cannot be asked.
            let known = self.backups.volumes.iter();
            let known = known.map(|(volume, made)| (volume.clone(), made.backups.clone()));
            let mut out = table(&known.collect(), volume.as_ref(), &failed);
            // Nothing is wrong with a string.
            let _ = write!(out, "\nThis is what was there before: {}.", silent(&config));
            return asked.reply(Ok(out));
        }
        let is_known = volume.as_ref().is_none_or(is_own);
        tokio::spawn(async move {
            let place = config.to.clone();
            let listed = spawn_blocking(move || config.list(&Beats::default()));
            let Ok(listed) = timeout(PATIENCE, listed).await else {
                return asked.reply(Err(anyhow!(
                    "{place} does not answer: see whether it can be read, or try again later"
                )));
            };
            let listed = listed.unwrap_or_else(|error| Err(error.into()));
            asked.reply(listed.and_then(|listed| {
                let shown = volume.as_ref();
                let mut out = table(&listed, shown, &failed);
                let is_there = match shown {
                    Some(volume) => listed.contains_key(volume),
                    None => !listed.is_empty(),
                };
                match shown {
                    Some(volume) if !is_there && !is_known => bail!(
                        "there is no backup of {volume} in {place}, and no such file system on this machine: `keyward agent backups` lists all backups"
                    ),
                    Some(volume) if !is_there => {
                        let none = format!(
                            "There is no backup of {volume} in {place} yet: `keyward agent backup {volume}` makes one."
                        );
                        out = none + &said(&failed);
                    }
                    None if !is_there => {
                        let none = format!(
                            "There is no backup in {place} yet: `keyward agent backup FILE_SYSTEM` makes one."
                        );
                        out = none + &said(&failed);
                    }
                    _ => {}
                }
                Ok(out)
            }));
        });
    }
}

impl Rounds {
    /// Whether the place has not answered for long.
    pub(super) fn is_stalled(&self) -> bool {
        let underway = self.underway.as_ref();
        underway.is_some_and(super::underway::Underway::is_stalled)
    }

    /// The last attempts that have failed, by the schedule and by hand.
    fn failures(&self, only: Option<&VolumeId>) -> Vec<Failure> {
        let all = self.volumes.iter();
        let named = all.filter(|(volume, _)| only.is_none_or(|only| only == *volume));
        let failed = named.filter_map(|(volume, made)| {
            let (at, message, _) = made.failure()?;
            Some((volume.clone(), at, message.to_owned()))
        });
        failed.collect()
    }
}

/// What `keyward agent backups` shows.
fn table(
    listed: &BTreeMap<VolumeId, Vec<Backup>>,
    only: Option<&VolumeId>,
    failed: &[Failure],
) -> String {
    let mut out = format!("{:<25}{:<30}TIME", "FILE SYSTEM", "BACKUP");
    for (volume, backups) in listed {
        if only.is_some_and(|only| only != volume) {
            continue;
        }
        let mut backups = backups.clone();
        backups.sort_unstable_by_key(|backup| backup.at);
        for backup in backups {
            let (volume, name) = (volume.as_str(), backup.name());
            // Nothing is wrong with a string.
            let _ = write!(out, "\n{volume:<25}{name:<30}{}", backup.at);
        }
    }
    out + &said(failed)
}

/// The attempts that have failed, each in a line of its own.
fn said(failed: &[Failure]) -> String {
    let lines = failed.iter().map(|(volume, at, message)| {
        format!("\nThe last attempt to back {volume} up, at {at}, has failed: {message}")
    });
    lines.collect()
}
