//! What somebody on this machine asks about backups.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use keyward_agent::{local::Runs, note::Stage, wanted::Presence};
use keyward_types::storage::VolumeId;
use tokio::task::spawn_blocking;

use super::{Backups, Happened, NO_PLACE, underway::silent};
use crate::{
    backups::Restoring,
    door::{Asked, Request},
    run::{Agent, Event},
};

/// The most commands that wait.
const MOST_ASKED: usize = 16;

impl Agent {
    /// Does what somebody on this machine asks about backups.
    pub(in crate::run) fn asked_about_backups(&mut self, asked: Asked) {
        let answer = match asked.request.clone() {
            Request::BackUp { volume } => match self.to_back_up(&volume) {
                Ok(volume) => {
                    self.backups.asked.push_back((volume, asked));
                    return;
                }
                Err(error) => Err(error),
            },
            Request::Backups { volume } => match self.to_list(volume.as_deref()) {
                Ok((config, volume)) => return self.show(config, volume, asked),
                Err(error) => Err(error),
            },
            Request::Restore {
                volume,
                backup,
                accept_rollback,
            } => match self.to_restore(&volume, backup, accept_rollback) {
                Ok((config, restoring)) => return self.restore(config, restoring, asked),
                Err(error) => Err(error),
            },
            Request::Mount { .. } | Request::Unmount { .. } | Request::Adopt { .. } => {
                Err(anyhow!("that is not about backups"))
            }
        };
        asked.reply(answer);
    }

    fn config(&self) -> anyhow::Result<Backups> {
        let config = self.host.keeping.backups.clone();
        config.ok_or_else(|| anyhow!(NO_PLACE))
    }

    /// A volume that somebody wants backed up at once.
    fn to_back_up(&self, named: &str) -> anyhow::Result<VolumeId> {
        let config = self.config()?;
        let note = self.mountable(named)?;
        if self.backups.asked.len() >= MOST_ASKED {
            bail!("{MOST_ASKED} backups are waiting already: try again later");
        }
        if self.backups.is_stalled() {
            bail!(silent(&config));
        }
        Ok(note.volume)
    }

    /// Where to list, and of which volume.
    fn to_list(&self, named: Option<&str>) -> anyhow::Result<(Backups, Option<VolumeId>)> {
        let config = self.config()?;
        let volume = named.map(VolumeId::parse).transpose();
        let unknown = |_| {
            anyhow!(
                "that is not the ID of a file system, which begins with fs-: `keyward agent backups` lists all backups"
            )
        };
        Ok((config, volume.map_err(unknown)?))
    }

    /// A volume whose image is lost.
    fn to_restore(
        &self,
        named: &str,
        backup: Option<String>,
        accept_rollback: bool,
    ) -> anyhow::Result<(Backups, Restoring)> {
        let config = self.config()?;
        let (wanted, seen) = self.assigned(named)?;
        let volume = &wanted.volume;
        if wanted.presence == Presence::Absent {
            bail!("{volume} is being deleted");
        }
        let image = self.host.layout.image(volume);
        if image.symlink_metadata().is_ok() {
            bail!(
                "{volume} has an image, {}: a backup can be restored only if the image is lost. To discard the image, stop the agent, move the image away, start the agent, and try again",
                image.display()
            );
        }
        if seen.local.runs != Runs::Nothing {
            bail!(
                "{volume} is still attached on this machine, though its image is gone: save its files first if they can be read. Then detach it (`keyward volume detach --force {} --state-dir {}`), and try again",
                image.display(),
                self.host.layout.keepers().display()
            );
        }
        if seen.local.stage == Some(Stage::Ending) {
            bail!("{}", keyward_agent::plan::DELETED_HERE);
        }
        if !wanted.made {
            bail!("{volume} has never been available: there is nothing to restore");
        }
        let note = seen.note.filter(|note| note.stage == Stage::Made);
        let restoring = Restoring {
            wanted: wanted.clone(),
            note,
            backup,
            accept_rollback,
        };
        Ok((config, restoring))
    }

    /// Has an image put back. No step is begun with the volume meanwhile.
    fn restore(&mut self, config: Backups, restoring: Restoring, asked: Asked) {
        let volume = restoring.wanted.volume.clone();
        tracing::info!(%volume, "restoring a backup");
        let memory = self.memory.entry(volume.clone()).or_default();
        memory.begun("restoring a backup".to_owned(), None);
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        tokio::spawn(async move {
            let done = spawn_blocking(move || config.restore(&host, &restoring));
            let done = done.await.unwrap_or_else(|error| Err(error.into()));
            let happened = Happened::Restored(volume, done, asked);
            let _ = events.send(Event::Backups(happened)).await;
        });
    }
}
