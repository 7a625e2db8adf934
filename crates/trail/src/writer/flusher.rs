//! The thread that brings a segment to the disk while it is still being written.
//!
//! A segment is on disk before the next begins, and whoever has an event in either waits for that.
//! So that little is left to bring there by then, it is done piece by piece beforehand, beside the
//! writes, for which nobody waits.

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

/// A segment to be brought to the disk up to an end.
struct Job {
    file: File,
    end: End,
    done: Option<oneshot::Sender<bool>>,
}

/// The handle of the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Flusher {
    jobs: SyncSender<Job>,
    failed: Arc<AtomicBool>,
}

impl Flusher {
    /// Starts the thread, which tells the frontier how far it has come.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(frontier: Arc<Frontier>) -> io::Result<Self> {
        // Without room: a file is taken only by a thread that waits for one.
        let (jobs, given) = sync_channel(0);
        let failed = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&failed);
        thread::Builder::new()
            .name("audit-flush".to_owned())
            .spawn(move || flush_all(&given, &shared, &frontier))?;
        Ok(Self { jobs, failed })
    }

    /// Begins to bring to the disk what stands in the file up to its end so far, unless the thread
    /// is busy with what it was given before. Whether it began. `done` hears whether it worked.
    pub fn begin(&self, file: &File, end: End, done: Option<oneshot::Sender<bool>>) -> bool {
        // Out of descriptors, nothing is lost: the end of the segment waits longer.
        file.try_clone()
            .is_ok_and(|file| self.jobs.try_send(Job { file, end, done }).is_ok())
    }

    /// Whether the disk has refused since it was last asked: what was written may not be there.
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
                tracing::error!(%error, "the audit trail cannot be brought to the disk");
                failed.store(true, Ordering::Release);
            }
        }
        if let Some(done) = done {
            // Whoever asked may have gone.
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
        // No file system stands behind it.
        let bad = File::open("/dev/null").unwrap();
        begin(&flusher, &bad);
        begin(&flusher, &good);
        assert!(flusher.has_failed());
        assert!(!flusher.has_failed());
    }
}
