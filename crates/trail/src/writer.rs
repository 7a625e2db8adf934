//! The writer of the trail: requests give it their events and wait until they are written.
//!
//! A task beside the requests gathers their events. Before it closes a batch, it lets all requests
//! run that can: the more requests there are, the fewer writes each of them needs.
//!
//! A write to the page cache takes less time than handing it to a thread, so the task does it
//! itself. What waits for the disk, or may have to, is done by a thread, so that it delays only
//! those who wait for it: every batch of a strict trail, the first batch of a segment, and all
//! batches for a while after one that took long.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc as hand_over,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use self::flusher::Flusher;
use crate::{
    chain::{Copied, Position},
    trail::Trail,
};

mod flusher;

/// The most events in one batch.
const MAX_BATCH_EVENTS: usize = 1024;
/// The most bytes of events in one batch.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// How many events may be queued before requests have to wait.
const QUEUE: usize = 8192;

/// A write that takes longer than this has waited for the disk.
const QUICK: Duration = Duration::from_millis(1);
/// How many quick batches the thread writes after a slow one before the task takes over again.
const PROBATION: u32 = 256;

/// The event could not be recorded, so its request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// The reason is in the log.
    #[error("the audit event cannot be recorded")]
    Failed,
    /// There is no room left for it.
    #[error(
        "the audit event cannot be recorded: the audit trail has no room left to write: free space on its disk"
    )]
    DiskFull,
}

impl NotRecorded {
    fn after(error: &io::Error) -> Self {
        if is_disk_full(error) {
            Self::DiskFull
        } else {
            Self::Failed
        }
    }
}

/// Whether the system refused a write because the disk or a quota is full.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// What the writer has done so far.
#[derive(Debug, Default)]
pub struct WriterState {
    failing: AtomicBool,
    disk_full: AtomicBool,
    events: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
}

impl WriterState {
    /// Whether the last batch could not be written.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Whether that is because there is no room left.
    pub fn is_disk_full(&self) -> bool {
        self.is_failing() && self.disk_full.load(Ordering::Acquire)
    }

    fn fails(&self, why: NotRecorded) -> NotRecorded {
        let disk_full = why == NotRecorded::DiskFull;
        self.disk_full.store(disk_full, Ordering::Release);
        self.failing.store(true, Ordering::Release);
        why
    }

    /// Events written.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Batches written.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

enum Item {
    Events(Events),
    /// Sync what was written before.
    Sync(oneshot::Sender<bool>),
}

struct Events {
    lines: Vec<u8>,
    count: u64,
    /// Which changes the trail has with these events; set by the relay.
    copied: Option<Copied>,
    done: oneshot::Sender<Result<Position, NotRecorded>>,
}

/// Events that are written together.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    count: u64,
    copied: Option<Copied>,
}

impl Batch {
    fn clear(&mut self) {
        self.lines.clear();
        (self.count, self.copied) = (0, None);
    }
}

/// A job for the thread.
enum Job {
    /// Append a batch.
    Write(Trail, Batch),
    /// Sync everything; nothing more comes.
    Close(Trail),
}

/// What came of a batch; trail and buffer are free for the next.
struct Written {
    trail: Trail,
    lines: Vec<u8>,
    word: Result<Position, NotRecorded>,
    took: Duration,
}

/// The handle by which events reach the writer.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Item>,
    state: Arc<WriterState>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the writer on an open trail: its thread, and its task on the runtime at hand. They
    /// end when the last handle is dropped; the join handle then tells that everything is on disk.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn start(trail: Trail) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (queue, items) = mpsc::channel(QUEUE);
        let (jobs, given) = hand_over::sync_channel(1);
        let (word, words) = mpsc::channel(1);
        let state = Arc::new(WriterState::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || do_all(&given, &word, &shared))?;
        let flusher = Flusher::start(Arc::clone(trail.frontier()))?;
        let gatherer = Gatherer::new(trail, (jobs, words), flusher, Arc::clone(&state));
        tokio::spawn(gatherer.run(items));
        Ok((Self { queue, state }, thread))
    }

    /// What the writer has done so far.
    pub fn state(&self) -> &WriterState {
        &self.state
    }

    /// Records one event: a JSON object without line feed. Answers when its write has returned.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn record(&self, mut line: Vec<u8>) -> Result<(), NotRecorded> {
        line.push(b'\n');
        self.send(line, 1, None).await.map(drop)
    }

    /// Records several events of one request, in one write.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn record_all(
        &self,
        events: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<(), NotRecorded> {
        let (mut lines, mut count) = (Vec::new(), 0);
        for line in events {
            lines.extend_from_slice(&line);
            lines.push(b'\n');
            count += 1;
        }
        self.send(lines, count, None).await.map(drop)
    }

    /// Records the events of changes, in the store's order; with them the trail has all that
    /// `copied` says. Answers where it then ends.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn record_changes(
        &self,
        lines: Vec<u8>,
        count: u64,
        copied: Copied,
    ) -> Result<Position, NotRecorded> {
        self.send(lines, count, Some(copied)).await
    }

    /// Syncs what was written so far, beside the writes. False if that failed or the disk is still
    /// busy with what came before.
    pub async fn sync(&self) -> bool {
        let (done, word) = oneshot::channel();
        let sent = self.queue.send(Item::Sync(done)).await;
        sent.is_ok() && word.await.unwrap_or(false)
    }

    /// Writes a batch without events, to find out whether the trail can be written again.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn probe(&self) -> Result<(), NotRecorded> {
        self.send(Vec::new(), 0, None).await.map(drop)
    }

    async fn send(
        &self,
        lines: Vec<u8>,
        count: u64,
        copied: Option<Copied>,
    ) -> Result<Position, NotRecorded> {
        let (done, word) = oneshot::channel();
        let events = Events {
            lines,
            count,
            copied,
            done,
        };
        let sent = self.queue.send(Item::Events(events)).await;
        sent.map_err(|_| NotRecorded::Failed)?;
        word.await.map_err(|_| NotRecorded::Failed)?
    }
}

/// The task that makes batches of events.
struct Gatherer {
    jobs: hand_over::SyncSender<Job>,
    words: mpsc::Receiver<Written>,
    /// None only while the thread has it.
    trail: Option<Trail>,
    flusher: Flusher,
    /// How many batches are still the thread's.
    probation: u32,
    batch: Batch,
    waiting: Vec<oneshot::Sender<Result<Position, NotRecorded>>>,
    syncs: Vec<oneshot::Sender<bool>>,
    state: Arc<WriterState>,
}

impl Gatherer {
    fn new(
        trail: Trail,
        (jobs, words): (hand_over::SyncSender<Job>, mpsc::Receiver<Written>),
        flusher: Flusher,
        state: Arc<WriterState>,
    ) -> Self {
        Self {
            jobs,
            words,
            trail: Some(trail),
            flusher,
            probation: 0,
            batch: Batch::default(),
            waiting: Vec::new(),
            syncs: Vec::new(),
            state,
        }
    }

    async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut taken = Vec::new();
        while items.recv_many(&mut taken, MAX_BATCH_EVENTS).await > 0 {
            // Whatever is ready runs first, and may hand in an event for the same write.
            tokio::task::yield_now().await;
            while taken.len() < MAX_BATCH_EVENTS
                && let Ok(item) = items.try_recv()
            {
                taken.push(item);
            }
            for item in taken.drain(..) {
                match item {
                    Item::Events(events) => {
                        self.batch.lines.extend_from_slice(&events.lines);
                        self.batch.count += events.count;
                        // One relay sends them, one after the other.
                        self.batch.copied = events.copied.or(self.batch.copied);
                        self.waiting.push(events.done);
                        if self.batch.lines.len() >= MAX_BATCH_BYTES {
                            self.write().await;
                        }
                    }
                    Item::Sync(done) => self.syncs.push(done),
                }
            }
            if !self.waiting.is_empty() {
                self.write().await;
            }
            self.sync();
        }
    }

    /// Begins to sync what was written, for those who asked for it.
    fn sync(&mut self) {
        let Some(trail) = &mut self.trail else {
            self.syncs.clear();
            return;
        };
        while let Some(done) = self.syncs.pop() {
            if trail.is_synced() {
                // The asker may be gone.
                let _ = done.send(true);
            } else {
                trail.flush(|segment, end| self.flusher.begin(segment, end, Some(done)));
            }
        }
    }

    /// Writes the batch, or has the thread write it, and passes on what came of it.
    async fn write(&mut self) {
        let word = if self.flusher.has_failed() {
            // Events that count as recorded may be lost with the machine's power: this is not the
            // time to take more. The next batch finds out whether it can be written again.
            self.batch.clear();
            Err(self.state.fails(NotRecorded::Failed))
        } else {
            self.write_batch().await
        };
        for done in self.waiting.drain(..) {
            // Who no longer waits has lost its connection; the event is recorded all the same.
            let _ = done.send(word);
        }
    }

    async fn write_batch(&mut self) -> Result<Position, NotRecorded> {
        let batch = std::mem::take(&mut self.batch);
        let trail = self.trail.take();
        let by_design = trail.as_ref().is_some_and(Trail::waits_for_disk);
        let written = match trail {
            Some(trail) if self.probation == 0 && !by_design => {
                Some(append(trail, batch, &self.state))
            }
            // The thread has answered the job before, so there is room and this does not wait.
            Some(trail) => match self.jobs.send(Job::Write(trail, batch)) {
                Ok(()) => self.words.recv().await,
                Err(_) => None,
            },
            None => None,
        };
        let Some(written) = written else {
            // Without the thread and the trail that it had, nothing can be recorded.
            return Err(self.state.fails(NotRecorded::Failed));
        };
        if written.took > QUICK && !by_design {
            self.probation = PROBATION;
        } else {
            self.probation = self.probation.saturating_sub(1);
        }
        let mut trail = written.trail;
        trail.flush_ahead(|segment, end| self.flusher.begin(segment, end, None));
        self.trail = Some(trail);
        self.batch.lines = written.lines;
        written.word
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        if let Some(trail) = self.trail.take() {
            // The thread is idle while the trail is here; and if it is gone, so is the server.
            let _ = self.jobs.send(Job::Close(trail));
        }
    }
}

/// What the thread does.
fn do_all(jobs: &hand_over::Receiver<Job>, words: &mpsc::Sender<Written>, state: &WriterState) {
    while let Ok(job) = jobs.recv() {
        let last = match job {
            Job::Write(trail, batch) => match words.blocking_send(append(trail, batch, state)) {
                Ok(()) => continue,
                // The task ended while it waited.
                Err(mpsc::error::SendError(written)) => written.trail,
            },
            Job::Close(trail) => trail,
        };
        if let Err(error) = last.sync() {
            tracing::error!(%error, "the audit trail cannot be synced");
        }
        break;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a write took is told to nobody and decides nothing but who writes next"
)]
fn append(mut trail: Trail, batch: Batch, state: &WriterState) -> Written {
    let Batch {
        mut lines,
        count,
        copied,
    } = batch;
    let bytes = lines.len() as u64;
    let start = Instant::now();
    let written = trail.append(&mut lines, count, copied);
    let took = start.elapsed();
    if let Err(error) = &written {
        tracing::error!(%error, events = count, "the audit trail cannot be written");
    } else {
        state.failing.store(false, Ordering::Release);
        state.events.fetch_add(count, Ordering::Relaxed);
        state.batches.fetch_add(1, Ordering::Relaxed);
        state.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    lines.clear();
    Written {
        word: match written {
            Ok(()) => Ok(trail.end().at),
            Err(error) => Err(state.fails(NotRecorded::after(&error))),
        },
        trail,
        lines,
        took,
    }
}

#[cfg(test)]
mod tests;
