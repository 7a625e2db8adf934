//! Whether the processes of volumes still answer, and what becomes of one that does not.

use std::sync::{Arc, atomic::Ordering};

use keyward_agent::{
    local::Runs,
    silence::{self, Next},
    steps::{How, Machine as _},
};
use keyward_types::{storage::VolumeId, time::Clock as _};
use tokio::task::spawn_blocking;

use super::{Agent, Seen};

impl Agent {
    /// Asks the process of an encrypted volume whether it still answers, if that is due, and gives it up if it is silent for
    /// too long: it counts as dead from then on, and what it keeps is cut off.
    pub(super) fn listen_for(&mut self, volume: &VolumeId, seen: &Seen) {
        let Some(note) = seen.note.clone().filter(|note| note.encrypted) else {
            return;
        };
        let now = self.clock.monotonic();
        let memory = self.memory.entry(volume.clone()).or_default();
        let process = silence::Seen {
            epoch: &seen.epoch,
            attached: seen.local.runs == Runs::Mounted,
            heard: memory.heard.load(Ordering::Relaxed),
        };
        match memory.silence.look(process, self.host.keeping.recheck, now) {
            Next::Nothing => {}
            Next::Ask { number, recheck } => {
                let (host, heard) = (Arc::clone(&self.host), Arc::clone(&memory.heard));
                drop(spawn_blocking(move || match host.answers(&note, recheck) {
                    Ok(true) => {
                        heard.fetch_max(number, Ordering::Relaxed);
                    }
                    Ok(false) => {
                        tracing::warn!(volume = %note.volume, "the volume's process does not answer");
                    }
                    // It says nothing of the process, which must not be killed for it.
                    Err(error) => {
                        heard.fetch_max(number, Ordering::Relaxed);
                        let error = format!("{error:#}");
                        tracing::debug!(volume = %note.volume, error, "the volume's process has not done what it was asked");
                    }
                }));
            }
            Next::GiveUp => {
                let seconds = silence::ANSWER.as_secs() * u64::from(silence::QUESTIONS);
                tracing::error!(%volume, "the volume's process has not answered for {seconds} seconds: the volume is cut off, and the process is killed");
                // A step may wait for this very process: the cut-off makes it fail.
                if memory.is_busy() {
                    let host = Arc::clone(&self.host);
                    drop(spawn_blocking(move || {
                        if let Err(error) = host.end(&note, How::AtOnce) {
                            let error = format!("{error:#}");
                            tracing::error!(volume = %note.volume, error, "not all of it is taken away");
                        }
                    }));
                }
            }
        }
    }
}
