//! What somebody on this machine asks of the agent: to mount a volume, to unmount it, to use an image.

use std::{mem, path::PathBuf, sync::Arc};

use crate::door::{Asked, Request};
use anyhow::{Context as _, anyhow, bail};
use keyward_agent::{
    local::Runs,
    note::{Note, Stage},
    plan::obstacle,
    wanted::Wanted,
};
use keyward_types::{
    storage::VolumeId,
    time::{Clock as _, Monotonic},
};
use tokio::task::spawn_blocking;

use super::{
    super::{adopt::adopt, look::Seen},
    Agent, Event, Memory, places, seen,
};

/// What is said as long as the server has said nothing.
const NOT_REACHED: &str = "the agent has not reached its server since it was started, so that it does not know which file systems it stores: see whether the server runs (the agent's log says why it cannot be reached), and try again";

/// How long a request waits until what is being done with its volume is done, in milliseconds. Whoever asks waits longer.
const LONGEST_WAIT: u64 = 30_000;

/// A request that waits until what is being done with its volume is done.
#[derive(Debug)]
pub struct Held {
    asked: Asked,
    since: Monotonic,
}

impl Agent {
    /// Does what waits, as far as it can be done now. It must be called before a step is begun.
    pub(super) fn release_held(&mut self) {
        for held in mem::take(&mut self.held) {
            self.asked_since(held.asked, held.since);
        }
    }

    /// Answers somebody on this machine.
    pub(super) fn asked(&mut self, asked: Asked) {
        match asked.request {
            // What was seen may be half a second old: first, it is looked again.
            Request::Adopt { .. } | Request::Restore { .. } => {
                let since = self.clock.monotonic();
                self.held.push(Held { asked, since });
            }
            _ => self.do_asked(asked),
        }
    }

    fn asked_since(&mut self, asked: Asked, since: Monotonic) {
        if let Request::Adopt { volume, .. } | Request::Restore { volume, .. } = &asked.request
            && let Ok(id) = VolumeId::parse(volume)
            && self.is_in_the_way(&id)
        {
            if self.clock.monotonic().millis_since(since) < LONGEST_WAIT {
                return self.held.push(Held { asked, since });
            }
            // What nobody takes away is told of in other words.
            let Some(doing) = self.memory.get(&id).and_then(Memory::doing) else {
                return self.do_asked(asked);
            };
            let error = anyhow!(
                "{volume} is in use by the agent, which is {doing}: try again when that is done. The agent's log says how it goes on"
            );
            return asked.reply(Err(error));
        }
        self.do_asked(asked);
    }

    /// Whether something is in the way of another image for a volume that goes away by itself.
    fn is_in_the_way(&self, volume: &VolumeId) -> bool {
        if self.memory.get(volume).is_some_and(Memory::is_busy) {
            return true;
        }
        let seen = self.seen.get(volume);
        seen.is_some_and(|seen| match seen.local.runs {
            Runs::Remains | Runs::Starting => true,
            // Its process ends by itself if it was told to detach.
            Runs::CutOff(_) => !self.host.layout.image(volume).exists(),
            Runs::Nothing | Runs::Mounted => false,
        })
    }

    fn do_asked(&mut self, asked: Asked) {
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
        memory.begun("checking the image that is to be adopted".to_owned(), None);
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
                "no file system {named} is stored on this machine, by {agent}: `keyward agent list {named}` says which agent stores it, and `keyward agent assign {named} {agent}` has this one store it. `aws efs describe-file-systems` lists the file systems there are. If it was deleted, a backup of it can still be opened as a volume, with `keyward volume receive` and `keyward volume rekey --file-system`",
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
        let failure = self.memory.get(volume).and_then(Memory::failure);
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
            _ => match failure {
                Some(why) => bail!(
                    "{volume} is not there yet: {}. Try again when it is `available`",
                    why.trim_end_matches('.')
                ),
                None => bail!("{volume} is not there yet: try again when it is `available`"),
            },
        }
    }
}
