//! Threads that read, each with a connection of its own.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::mpsc;

/// How many reads may be queued before callers have to wait.
pub(super) const QUEUE: usize = 1024;

/// One read.
pub(super) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A queue that several threads take from.
pub(super) type Jobs = Arc<Mutex<mpsc::Receiver<Job>>>;

pub(super) fn share(jobs: mpsc::Receiver<Job>) -> Jobs {
    Arc::new(Mutex::new(jobs))
}

/// Serves reads until all senders are gone.
pub(super) fn run(mut connection: Connection, jobs: &Jobs) {
    loop {
        // One idle thread waits for the next job, and the others for the lock. The lock is released
        // before the job runs.
        let job = jobs.lock().blocking_recv();
        match job {
            Some(job) => job(&mut connection),
            None => return,
        }
    }
}
