//! What somebody on this machine asks of the agent: to mount a volume, to unmount it, to use an image.

use std::{path::PathBuf, sync::Arc};

use crate::door::{Asked, Request};
use anyhow::{Context as _, anyhow, bail};
use keyward_agent::{
    local::Runs,
    note::{Note, Stage},
    plan::obstacle,
    wanted::Wanted,
};
use keyward_types::storage::VolumeId;
use tokio::task::spawn_blocking;

use super::{
    super::{adopt::adopt, look::Seen},
    Agent, Event, places, seen,
};

/// What is said as long as the server has said nothing.
const NOT_REACHED: &str = "the agent has not reached its server since it was started, so that it does not know which file systems it stores: see whether the server runs (the agent's log says why it cannot be reached), and try again";

impl Agent {
    /// Answers somebody on this machine.
    pub(super) fn asked(&mut self, asked: Asked) {
        let (host, clients) = (Arc::clone(&self.host), self.clients.clone());
        let found = match &asked.request {
            Request::Mount { volume, .. } => self.mountable(volume).map(Some),
            Request::Unmount { .. } => Ok(None),
            Request::BackUp { .. } | Request::Backups { .. } | Request::Restore { .. } => {
                return self.asked_about_backups(asked);
            }
            Request::Adopt {
                volume,
                image,
                accept_rollback,
            } => {
                let (volume, image, accepts) = (volume.clone(), image.clone(), *accept_rollback);
                return self.adopt(asked, &volume, (image, accepts));
            }
        };
        tokio::spawn(async move {
            let answer = match found {
                Ok(note) => places::answer(&host, &clients, (asked.request.clone(), note)).await,
                Err(error) => Err(error),
            };
            asked.reply(answer);
        });
    }

    /// Has an image that was brought to this machine be that of a volume. No step is begun with the volume meanwhile.
    fn adopt(
        &mut self,
        asked: Asked,
        named: &str,
        (image, accept_rollback): (Option<PathBuf>, bool),
    ) {
        let wanted = match self.assigned(named) {
            Ok((wanted, _)) => wanted.clone(),
            Err(error) => return asked.reply(Err(error)),
        };
        let volume = wanted.volume.clone();
        let memory = self.memory.entry(volume.clone()).or_default();
        if memory.is_busy() {
            return asked.reply(Err(anyhow!(
                "something else is being done with {volume}: try again"
            )));
        }
        memory.begun();
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        tokio::spawn(async move {
            let work = spawn_blocking(move || {
                // What was seen may be half a second old.
                let found = seen(&host)?.remove(&wanted.volume).unwrap_or_default();
                let image = (image.as_deref(), accept_rollback);
                adopt(&host, (&wanted, &found), image)
            });
            let done = work.await.unwrap_or_else(|error| Err(error.into()));
            // First: whoever is told can go on.
            let _ = events.send(Event::Adopted(volume)).await;
            asked.reply(done);
        });
    }

    /// A volume that is assigned to this agent, with what is seen of it.
    pub(super) fn assigned(&self, named: &str) -> anyhow::Result<(&Wanted, Seen)> {
        let unknown = || {
            anyhow!(
                "no file system {named} is stored on this machine, by {agent}: `keyward agent list {named}` says which agent stores it, and `keyward agent assign {named} {agent}` has this one store it. `aws efs describe-file-systems` lists the file systems there are",
                agent = self.identity.agent
            )
        };
        let volume = VolumeId::parse(named).map_err(|_| unknown())?;
        let wanted = self.wanted.as_ref().context(NOT_REACHED)?;
        let wanted = wanted.get(&volume).ok_or_else(unknown)?;
        let seen = self.seen.get(&volume).cloned().unwrap_or_default();
        Ok((wanted, seen))
    }

    /// A volume that can be mounted on this machine.
    pub(super) fn mountable(&self, named: &str) -> anyhow::Result<Note> {
        let (wanted, seen) = self.assigned(named)?;
        let volume = &wanted.volume;
        let damaged = seen.local.damaged.as_deref();
        if let Some(why) = damaged.or_else(|| obstacle(wanted, &seen.local)) {
            bail!("{volume} cannot be mounted: {why}");
        }
        match (seen.note, &seen.local.runs) {
            (Some(note), Runs::Mounted) if note.stage == Stage::Made => Ok(note),
            (_, Runs::CutOff(why)) => bail!(
                "{volume} is cut off: {}. It comes back within a minute when its key can be used again",
                why.trim_end_matches('.')
            ),
            _ => bail!("{volume} is not there yet: try again when it is `available`"),
        }
    }
}
