//! The one batching writer of the trail: requests hand it their event and wait for its word.
//!
//! A thread of its own writes, so that a slow disk holds up those who wait for it and nobody
//! else. It takes all that is queued as one batch: the more requests wait, the fewer writes.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::{mpsc, oneshot};

use crate::audit::trail::Trail;

/// The most events in one batch.
const MAX_BATCH_EVENTS: u64 = 1024;
/// The most bytes of events in one batch.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// How many events may wait for the writer before requests wait for a place.
const QUEUE: usize = 8192;

/// The event could not be recorded, so its request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit event cannot be recorded")]
pub struct NotRecorded;

/// What the writer has done so far.
#[derive(Debug, Default)]
pub struct WriterState {
    failing: AtomicBool,
    events: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
}

impl WriterState {
    /// Whether the last batch could not be written.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
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

struct Item {
    lines: Vec<u8>,
    count: u64,
    /// The store's revision up to which changes are now in the trail, from the relay.
    revision: Option<u64>,
    done: oneshot::Sender<Result<(), NotRecorded>>,
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
    /// Starts the writer's thread on an open trail. It ends when the last handle is dropped;
    /// the join handle then tells that everything is on disk.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(trail: Trail) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (queue, items) = mpsc::channel(QUEUE);
        let state = Arc::new(WriterState::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(trail, items, &shared))?;
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
        self.send(line, 1, None).await
    }

    /// Records the events of changes, in the store's order, up to `revision`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn record_changes(
        &self,
        lines: Vec<u8>,
        count: u64,
        revision: u64,
    ) -> Result<(), NotRecorded> {
        self.send(lines, count, Some(revision)).await
    }

    /// Writes a batch without events, to find out whether the trail can be written again.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn probe(&self) -> Result<(), NotRecorded> {
        self.send(Vec::new(), 0, None).await
    }

    async fn send(
        &self,
        lines: Vec<u8>,
        count: u64,
        revision: Option<u64>,
    ) -> Result<(), NotRecorded> {
        let (done, word) = oneshot::channel();
        let item = Item {
            lines,
            count,
            revision,
            done,
        };
        self.queue.send(item).await.map_err(|_| NotRecorded)?;
        word.await.map_err(|_| NotRecorded)?
    }
}

fn write_all(mut trail: Trail, mut items: mpsc::Receiver<Item>, state: &WriterState) {
    let mut lines = Vec::with_capacity(MAX_BATCH_BYTES / 4);
    let mut waiting = Vec::new();
    while let Some(first) = items.blocking_recv() {
        let (mut count, mut revision) = (0, trail.revision());
        let mut next = Some(first);
        while let Some(item) = next {
            lines.extend_from_slice(&item.lines);
            count += item.count;
            revision = item.revision.unwrap_or(revision).max(revision);
            waiting.push(item.done);
            let full = count >= MAX_BATCH_EVENTS || lines.len() >= MAX_BATCH_BYTES;
            next = if full { None } else { items.try_recv().ok() };
        }
        let bytes = lines.len() as u64;
        let written = trail.append(&mut lines, count, revision);
        state.failing.store(written.is_err(), Ordering::Release);
        if let Err(error) = &written {
            tracing::error!(%error, events = count, "the audit trail cannot be written");
        } else {
            state.events.fetch_add(count, Ordering::Relaxed);
            state.batches.fetch_add(1, Ordering::Relaxed);
            state.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        let word = written.map_err(|_| NotRecorded);
        for done in waiting.drain(..) {
            // Whoever no longer waits has lost its connection; the event stands all the same.
            let _ = done.send(word);
        }
        lines.clear();
    }
    if let Err(error) = trail.sync() {
        tracing::error!(%error, "the audit trail cannot be synced");
    }
}
