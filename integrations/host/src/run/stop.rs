//! The end of an agent: its volumes are detached, or cut off if it was removed.

use std::{sync::Arc, time::Duration};

use keyward_agent::{
    note::Note,
    report::{MOST, Report},
    steps::{How, Machine as _},
};
use keyward_types::time::Clock as _;
use tokio::{task::spawn_blocking, time::timeout};

use super::{Agent, Event, seen};
use crate::look::generation;

/// How long steps that are being done are waited for.
const STEPS: Duration = Duration::from_secs(30);
/// How often it is looked whether there is still something to wait for.
const LOOK: Duration = Duration::from_millis(500);
/// How long taking a volume out of use may take.
const END: Duration = Duration::from_secs(60);
/// How long the server may take to hear how new the images are.
const TELL: Duration = Duration::from_secs(3);

impl Agent {
    /// Takes all volumes out of use. By force, nothing stays; otherwise what is in use stays attached, with its own
    /// process, until the next agent takes it over.
    pub(super) async fn stop(mut self, force: bool) {
        self.host.end_soon();
        let _ = timeout(STEPS, self.steps()).await;
        if timeout(END, self.exports.stop()).await.is_err() {
            tracing::error!("what serves NFS has not ended in time");
        }
        let host = Arc::clone(&self.host);
        let volumes = match spawn_blocking(move || seen(&host)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(error, "it cannot be seen what this machine has");
                return;
            }
            Err(_) => return,
        };
        let notes: Vec<Note> = volumes
            .values()
            .filter_map(|seen| seen.note.clone())
            .collect();
        let mut ends = tokio::task::JoinSet::new();
        for seen in volumes.into_values() {
            let Some(note) = seen.note else { continue };
            // Detaching it would destroy it.
            if let Some(astray) = seen
                .local
                .astray
                .filter(|astray| astray.is_deleted && !force)
            {
                let why = astray.message;
                tracing::error!(volume = %note.volume, why, "the volume stays attached");
                continue;
            }
            let host = Arc::clone(&self.host);
            ends.spawn_blocking(move || {
                let ended = match force {
                    true => host.end(&note, How::AtOnce),
                    false => host.detach(&note),
                };
                if let Err(error) = ended {
                    let error = format!("{error:#}");
                    tracing::warn!(volume = %note.volume, error, "the volume stays as it is");
                }
            });
        }
        let all = async { while ends.join_next().await.is_some() {} };
        if timeout(END, all).await.is_err() {
            tracing::error!("a volume has not been taken out of use in time");
        }
        self.tell_generations(&notes).await;
    }

    /// Tells the server how new the images are that were detached, so that an older copy of one is refused. One that
    /// does not answer is told at the next start.
    async fn tell_generations(&self, notes: &[Note]) {
        let newer = notes.iter().filter_map(|note| {
            let told = self.memory.get(&note.volume)?.last()?;
            told.with_generation(generation(&self.host.states, note)?)
        });
        let newer: Vec<Report> = newer.collect();
        for some in newer.chunks(MOST) {
            match timeout(TELL, self.server.report(some)).await {
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => {
                    tracing::info!(%failure, "the server could not be told how new the images are");
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Until no step is being done.
    async fn steps(&mut self) {
        // What is frozen for a backup cannot be detached. What waits for a place that does not answer holds no volume.
        while self.backups.is_waited_for(self.clock.monotonic())
            || self.memory.values().any(super::Memory::is_busy)
        {
            let Ok(event) = timeout(LOOK, self.incoming.recv()).await else {
                continue;
            };
            match event {
                Some(Event::Backups(happened)) => self.backed_up(happened),
                Some(Event::Done(volume, step, done)) => self.done(&volume, step, done),
                Some(_) => {}
                None => return,
            }
        }
    }
}
