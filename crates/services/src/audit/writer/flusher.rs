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

/// The handle of the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Flusher {
    files: SyncSender<File>,
    failed: Arc<AtomicBool>,
}

impl Flusher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start() -> io::Result<Self> {
        // Without room: a file is taken only by a thread that waits for one.
        let (files, given) = sync_channel(0);
        let failed = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&failed);
        thread::Builder::new()
            .name("audit-flush".to_owned())
            .spawn(move || flush_all(&given, &shared))?;
        Ok(Self { files, failed })
    }

    /// Begins to bring to the disk what stands in the file so far, unless the thread is busy with
    /// what it was given before. Whether it began.
    pub fn begin(&self, file: &File) -> bool {
        // Out of descriptors, nothing is lost: the end of the segment waits longer.
        file.try_clone()
            .is_ok_and(|file| self.files.try_send(file).is_ok())
    }

    /// Whether the disk has refused since it was last asked: what was written may not be there.
    pub fn has_failed(&self) -> bool {
        self.failed.swap(false, Ordering::AcqRel)
    }
}

fn flush_all(files: &Receiver<File>, failed: &AtomicBool) {
    while let Ok(file) = files.recv() {
        if let Err(error) = file.sync_data() {
            tracing::error!(%error, "the audit trail cannot be brought to the disk");
            failed.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn begin(flusher: &Flusher, file: &File) {
        while !flusher.begin(file) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_the_disk_refuses_is_told_once() {
        let flusher = Flusher::start().unwrap();
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
