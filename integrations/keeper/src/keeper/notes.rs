//! Notes down the generations of the volume that is served. That waits for a disk, so it has a thread of its own.

use std::sync::{
    Arc,
    mpsc::{self, Sender},
};

use keyward_volume::ImageId;
use parking_lot::Mutex;

use super::spawn;
use crate::state::States;

/// What is noted down of a volume.
pub struct Notes {
    file: Arc<NoteFile>,
    later: Sender<u64>,
    newest: u64,
}

struct NoteFile {
    states: States,
    volume: ImageId,
    /// The last generation that it was tried with; held while it is written.
    tried: Mutex<u64>,
}

impl Notes {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(states: States, volume: ImageId) -> anyhow::Result<Self> {
        let file = Arc::new(NoteFile {
            states,
            volume,
            tried: Mutex::new(0),
        });
        let (later, generations) = mpsc::channel();
        let writer = Arc::clone(&file);
        spawn("notes", move || {
            while let Ok(generation) = generations.recv() {
                // The newest one is enough.
                writer.write(generations.try_iter().fold(generation, u64::max));
            }
        })?;
        Ok(Self {
            file,
            later,
            newest: 0,
        })
    }

    /// The newest generation that was seen.
    pub const fn newest(&self) -> u64 {
        self.newest
    }

    /// Notes a generation down, and waits until that is done. What fails is logged.
    pub fn note(&mut self, generation: u64) {
        self.newest = self.newest.max(generation);
        self.file.write(generation);
    }

    /// Has a generation noted down, if it is new.
    pub fn note_later(&mut self, generation: u64) {
        if generation > self.newest {
            self.newest = generation;
            if self.later.send(generation).is_err() {
                tracing::error!("the thread that notes the volume's generation down has ended");
            }
        }
    }
}

impl NoteFile {
    fn write(&self, generation: u64) {
        let mut tried = self.tried.lock();
        if generation <= *tried {
            return;
        }
        // If it fails, not again until it changes.
        *tried = generation;
        if let Err(error) = self.states.note(self.volume, generation) {
            tracing::error!(
                error = format!("{error:#}"),
                "the volume's generation cannot be recorded: an older image would not be recognized"
            );
        }
    }
}
