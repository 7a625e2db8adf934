//! The thread that syncs a segment to disk while it is still being written.
//!
//! A segment is on disk before the next one begins, and who has an event in either waits for that.
//! So that little is left to sync by then, it is synced piece by piece beforehand, beside the writes,
//! while nobody waits.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use tokio::sync::oneshot;

use crate::{chain::End, frontier::Frontier};

/// A segment to be synced up to an end.
struct Job {
    file: File,
    end: End,
    done: Option<oneshot::Sender<bool>>,
}

/// The handle of the thread. The thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Flusher {
    jobs: SyncSender<Job>,
    failed: Arc<AtomicBool>,
}

impl Flusher {
    /// Starts the thread, which tells the frontier how far it has come.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn start(frontier: Arc<Frontier>) -> io::Result<Self> {
        // Without a buffer: a file is taken only by a thread that waits for one.
        let (jobs, given) = sync_channel(0);
        let failed = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&failed);
        thread::Builder::new()
            .name("audit-flush".to_owned())
            .spawn(move || flush_all(&given, &shared, &frontier))?;
        Ok(Self { jobs, failed })
    }

    /// Begins to sync what the file holds up to that end, unless the thread is still busy. Answers
    /// whether it began; `done` hears whether it worked.
    pub fn begin(&self, file: &File, end: End, done: Option<oneshot::Sender<bool>>) -> bool {
        // If there are no descriptors left, nothing is lost: the end of the segment waits longer.
        file.try_clone()
            .is_ok_and(|file| self.jobs.try_send(Job { file, end, done }).is_ok())
    }

    /// Whether a sync failed since this was last asked: what was written may not be on disk.
    pub fn has_failed(&self) -> bool {
        self.failed.swap(false, Ordering::AcqRel)
    }
}

fn flush_all(jobs: &Receiver<Job>, failed: &AtomicBool, frontier: &Frontier) {
    while let Ok(Job { file, end, done }) = jobs.recv() {
        let synced = file.sync_data();
        match &synced {
            Ok(()) => frontier.set_synced(end),
            Err(error) => {
                tracing::error!(%error, "the audit trail cannot be synced to disk");
                failed.store(true, Ordering::Release);
            }
        }
        if let Some(done) = done {
            // The asker may be gone.
            let _ = done.send(synced.is_ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::head::Head;

    fn begin(flusher: &Flusher, file: &File) {
        while !flusher.begin(file, End::default(), None) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_the_disk_refuses_is_told_once() {
        let flusher = Flusher::start(Frontier::new(&Head::newborn(0))).unwrap();
        let good = tempfile::tempfile().unwrap();
        begin(&flusher, &good);
        // It takes the second when it is done with the first.
        begin(&flusher, &good);
        assert!(!flusher.has_failed());
        // It is not a file that can be synced.
        let bad = File::open("/dev/null").unwrap();
        begin(&flusher, &bad);
        begin(&flusher, &good);
        assert!(flusher.has_failed());
        assert!(!flusher.has_failed());
    }
}
