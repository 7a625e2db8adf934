//! The one batching writer of the trail: requests hand it their event and wait for its word.
//!
//! A task beside the requests gathers their events, and a thread of its own writes them, so that
//! a slow disk holds up those who wait for it and nobody else. The task lets every request that
//! can go on do so before it closes a batch: the more requests there are, the fewer writes and
//! the fewer changes between threads.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc as hand_over,
    },
    thread,
};

use tokio::sync::{mpsc, oneshot};

use crate::audit::trail::Trail;

/// The most events in one batch.
const MAX_BATCH_EVENTS: usize = 1024;
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

/// What the thread writes at once; the buffer comes back with its word.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    count: u64,
    revision: Option<u64>,
}

/// The thread's word on a batch.
struct Written {
    lines: Vec<u8>,
    word: Result<(), NotRecorded>,
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
    /// When the system gives no thread.
    pub fn start(trail: Trail) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (queue, items) = mpsc::channel(QUEUE);
        let (batches, given) = hand_over::sync_channel(1);
        let (word, words) = mpsc::channel(1);
        let state = Arc::new(WriterState::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(trail, &given, &word, &shared))?;
        let gatherer = Gatherer {
            batches,
            words,
            batch: Batch::default(),
            waiting: Vec::new(),
        };
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

/// The task that makes batches of events.
struct Gatherer {
    batches: hand_over::SyncSender<Batch>,
    words: mpsc::Receiver<Written>,
    batch: Batch,
    waiting: Vec<oneshot::Sender<Result<(), NotRecorded>>>,
}

impl Gatherer {
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
                self.batch.lines.extend_from_slice(&item.lines);
                self.batch.count += item.count;
                self.batch.revision = self.batch.revision.max(item.revision);
                self.waiting.push(item.done);
                if self.batch.lines.len() >= MAX_BATCH_BYTES {
                    self.write().await;
                }
            }
            if !self.waiting.is_empty() {
                self.write().await;
            }
        }
    }

    /// Has the thread write the batch, and passes its word on.
    async fn write(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // The thread has answered the batch before, so there is room and this does not wait.
        let written = match self.batches.send(batch) {
            Ok(()) => self.words.recv().await,
            Err(_) => None,
        };
        // Without the thread nothing is recorded any more.
        let word = match written {
            Some(Written { lines, word }) => {
                self.batch.lines = lines;
                word
            }
            None => Err(NotRecorded),
        };
        for done in self.waiting.drain(..) {
            // Whoever no longer waits has lost its connection; the event stands all the same.
            let _ = done.send(word);
        }
    }
}

fn write_all(
    mut trail: Trail,
    batches: &hand_over::Receiver<Batch>,
    words: &mpsc::Sender<Written>,
    state: &WriterState,
) {
    while let Ok(batch) = batches.recv() {
        let Batch {
            mut lines,
            count,
            revision,
        } = batch;
        let revision = trail.revision().max(revision.unwrap_or(0));
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
        lines.clear();
        let word = written.map_err(|_| NotRecorded);
        if words.blocking_send(Written { lines, word }).is_err() {
            break;
        }
    }
    if let Err(error) = trail.sync() {
        tracing::error!(%error, "the audit trail cannot be synced");
    }
}

#[cfg(test)]
mod tests {
    use keyward_crypto::secret::arena::Arena;

    use super::*;
    use crate::audit::trail::{TrailOptions, verify};

    #[tokio::test]
    async fn events_that_come_together_are_written_together() {
        let home = tempfile::tempdir().unwrap();
        let (arena, _) = Arena::new(4096).unwrap();
        let key = arena.store_bytes(&[7; 32]).unwrap();
        let trail = Trail::open(home.path(), TrailOptions::default(), key).unwrap();
        let (writer, thread) = Writer::start(trail).unwrap();
        let record = |number: u32| {
            let writer = writer.clone();
            let line = format!(r#"{{"number":{number}}}"#).into_bytes();
            tokio::spawn(async move { writer.record(line).await })
        };
        let events: Vec<_> = (0..100).map(record).collect();
        for event in events {
            assert_eq!(event.await.unwrap(), Ok(()));
        }
        assert_eq!(writer.state().events(), 100);
        assert!(writer.state().batches() < 10, "{:?}", writer.state());
        drop(writer);
        let ended = tokio::task::spawn_blocking(|| thread.join()).await;
        ended.unwrap().unwrap();
        assert_eq!(verify(home.path(), &[7; 32]).unwrap().events, 100);
    }
}
