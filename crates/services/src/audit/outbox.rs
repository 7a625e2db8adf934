//! The outbox: events of changes are committed with the changes themselves, and copied from here
//! to the trail in the store's order, once each, whatever crashes in between.

use std::{collections::HashMap, sync::Arc, time::Duration};

use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    error::{CommitError, StoreError},
    feed::{Changed, Progress},
    node::Node,
    path::Path,
    sealed::SealedError,
    store::{MAX_RANGE, Revision},
};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::{
    audit::writer::{NotRecorded, Writer},
    directory::{paths, purpose},
};

/// How long the relay waits after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How long events gather before they are copied and removed: one by one, each would cost as much
/// as the change that it is about.
const GATHER: Duration = Duration::from_millis(20);
/// The most bytes of events that are kept at hand; others are read back from the store.
const MAX_AT_HAND: usize = 8 << 20;

/// The events of this server's own changes, at hand until the relay has copied them, so that it
/// need not read back what has just been written.
#[derive(Debug, Default)]
pub struct AtHand {
    events: Mutex<Events>,
}

#[derive(Debug, Default)]
struct Events {
    lines: HashMap<Path, Vec<u8>>,
    bytes: usize,
}

impl AtHand {
    /// Keeps an event that is about to be committed; it is forgotten again unless it
    /// [was](AboutToBe::committed).
    pub fn keep(&self, path: &Path, line: Vec<u8>) -> AboutToBe<'_> {
        let mut events = self.events.lock();
        if events.bytes + line.len() <= MAX_AT_HAND {
            events.bytes += line.len();
            let before = events.lines.insert(path.clone(), line);
            events.bytes -= before.map_or(0, |line| line.len());
        }
        AboutToBe {
            at_hand: self,
            path: path.clone(),
            committed: false,
        }
    }

    fn take(&self, path: &Path) -> Option<Vec<u8>> {
        let mut events = self.events.lock();
        let line = events.lines.remove(path)?;
        events.bytes -= line.len();
        Some(line)
    }
}

/// An event that is about to be committed.
#[derive(Debug)]
pub struct AboutToBe<'a> {
    at_hand: &'a AtHand,
    path: Path,
    committed: bool,
}

impl AboutToBe<'_> {
    /// It stands in the store: the relay will come for it.
    pub fn committed(mut self) {
        self.committed = true;
    }
}

impl Drop for AboutToBe<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.at_hand.take(&self.path);
        }
    }
}

/// An event that waits to be copied.
struct Waiting {
    revision: Revision,
    path: Path,
    /// None if the trail has it already, and it only has to be removed.
    line: Option<Vec<u8>>,
}

/// Why the relay stopped where it was.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    #[error("a path of the outbox cannot be formed")]
    Path,
}

impl From<StoreError> for RelayError {
    fn from(error: StoreError) -> Self {
        Self::Sealed(error.into())
    }
}

/// Copies events to the trail for as long as it is polled. `copied_to` is the trail's own word
/// for how far it had come.
pub async fn relay(node: Arc<Node>, writer: Writer, at_hand: Arc<AtHand>, copied_to: u64) {
    let mut relay = Relay {
        node,
        writer,
        at_hand,
        copied_to: Revision::new(copied_to),
    };
    loop {
        match relay.follow().await {
            Ok(()) => return,
            Err(RelayError::Sealed(SealedError::Store(StoreError::Closed))) => return,
            Err(error) => {
                tracing::error!(%error, "events of changes cannot be copied to the audit trail");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

struct Relay {
    node: Arc<Node>,
    writer: Writer,
    at_hand: Arc<AtHand>,
    copied_to: Revision,
}

impl Relay {
    async fn follow(&mut self) -> Result<(), RelayError> {
        let from = self.node.sealed().store().revision().await?;
        let mut feed = self.node.follow(from).await?;
        self.copy_all(from).await?;
        loop {
            match feed.next().await? {
                Progress::Changes {
                    changes,
                    complete_to,
                    ..
                } => {
                    let is_event = |change: &Changed| {
                        !change.deleted && change.path.as_str().starts_with("outbox/")
                    };
                    let events: Vec<Changed> = changes.into_iter().filter(is_event).collect();
                    if !events.is_empty() {
                        tokio::time::sleep(GATHER).await;
                        let waiting = self.fetch(events).await?;
                        self.copy(waiting).await?;
                    }
                    self.copied_to = self.copied_to.max(complete_to);
                }
                Progress::Compacted { resume_at } => self.copy_all(resume_at).await?,
            }
        }
    }

    /// The events that changes wrote, in the store's order.
    async fn fetch(&self, events: Vec<Changed>) -> Result<Vec<Waiting>, RelayError> {
        let mut waiting = Vec::with_capacity(events.len());
        for Changed { revision, path, .. } in events {
            let line = match self.at_hand.take(&path) {
                Some(line) => line,
                None => match self.node.sealed().get(&path).await?.value {
                    Some(record) => record.bytes_of(purpose::OUTBOX)?.to_vec(),
                    // Copied and removed before the feed told of it.
                    None => continue,
                },
            };
            waiting.push(Waiting {
                revision,
                path,
                line: Some(line).filter(|_| revision > self.copied_to),
            });
        }
        Ok(waiting)
    }

    /// Copies whatever stands in the outbox, in the store's order; also what was copied before a
    /// crash and only has to be removed.
    async fn copy_all(&mut self, complete_to: Revision) -> Result<(), RelayError> {
        let prefix = paths::all_outbox().map_err(|_| RelayError::Path)?;
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut after: Option<Path> = None;
        loop {
            let sealed = self.node.sealed();
            let page = sealed
                .range(&prefix, after.as_ref(), MAX_RANGE)
                .await?
                .value;
            let whole = page.len() < MAX_RANGE;
            after = page.last().map(|last| last.path.clone());
            for record in page {
                // What was written while the pages were read comes again by the feed.
                if record.revision > complete_to {
                    continue;
                }
                self.at_hand.take(&record.path);
                let line = record.bytes_of(purpose::OUTBOX)?;
                waiting.push(Waiting {
                    revision: record.revision,
                    line: (record.revision > self.copied_to).then(|| line.to_vec()),
                    path: record.path,
                });
            }
            if whole {
                break;
            }
        }
        waiting.sort_by_key(|event| event.revision);
        self.copy(waiting).await?;
        self.copied_to = self.copied_to.max(complete_to);
        Ok(())
    }

    /// Copies events to the trail, and removes from the outbox what the trail has.
    async fn copy(&mut self, waiting: Vec<Waiting>) -> Result<(), RelayError> {
        let mut removals = JoinSet::new();
        for batch in batches(&waiting, |event| event.revision) {
            let (mut lines, mut count, mut to) = (Vec::new(), 0, self.copied_to);
            let mut removal = self.node.batch();
            for event in batch {
                if let Some(line) = &event.line {
                    lines.extend_from_slice(line);
                    lines.push(b'\n');
                    count += 1;
                }
                to = to.max(event.revision);
                let removed = removal.delete(event.path.clone(), Precondition::Any);
                removed.map_err(|_| RelayError::Path)?;
            }
            if count > 0 {
                let number = to.number();
                self.writer.record_changes(lines, count, number).await?;
            }
            self.copied_to = to;
            // Side by side, so that the store takes them in one transaction.
            let sealed = self.node.sealed().clone();
            removals.spawn(async move { sealed.commit(removal).await });
        }
        while let Some(removed) = removals.join_next().await {
            // A task that was cut off was so because the server ends.
            removed.map_err(|_| StoreError::Closed)??;
        }
        Ok(())
    }
}

/// Waits until the outbox is empty, all of it copied and removed, or until patience ends.
///
/// # Errors
/// When it cannot be read.
pub async fn emptied(node: &Node, patience: Duration) -> Result<bool, StoreError> {
    let Ok(prefix) = paths::all_outbox() else {
        return Ok(false);
    };
    let empty = async {
        while !node
            .sealed()
            .store()
            .range(&prefix, None, 1)
            .await?
            .value
            .is_empty()
        {
            tokio::time::sleep(GATHER).await;
        }
        Ok(())
    };
    match tokio::time::timeout(patience, empty).await {
        Ok(empty) => empty.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// The records in batches, each as long as can be removed at once, and none ending between two
/// records of one revision: a revision that was copied is not copied again.
fn batches<T>(records: &[T], revision: impl Fn(&T) -> Revision) -> impl Iterator<Item = &[T]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut length = rest.len().min(MAX_BATCH_CHANGES);
        let at = |index: usize| rest.get(index).map(&revision);
        while length > 1 && length < rest.len() && at(length) == at(length - 1) {
            length -= 1;
        }
        let (batch, later) = rest.split_at(length);
        rest = later;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use keyward_crypto::secret::arena::Arena;
    use keyward_store::{
        log::FeedOptions,
        memory::Memory,
        node::NodeOptions,
        sealed::{
            Sealed,
            keys::{SealKey, SealKeyId, SealKeys},
        },
    };
    use keyward_types::time::{Clock, Monotonic, Timestamp};
    use tempfile::TempDir;

    use super::*;
    use crate::audit::trail::{Trail, TrailOptions};

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn monotonic(&self) -> Monotonic {
            Monotonic::from_millis(0)
        }
    }

    /// A node on an engine that remembers one change.
    async fn forgetful_node(arena: &Arena) -> Arc<Node> {
        let store = Memory::new(FeedOptions {
            retained: 1,
            ..FeedOptions::default()
        });
        let secret = || arena.store_bytes(&[7; 32]).unwrap();
        let id = SealKeyId {
            id: [1; 16],
            version: 1,
        };
        let current = SealKey::new(id, secret()).unwrap();
        let keys = SealKeys::new(current, Vec::new(), secret()).unwrap();
        let sealed = Sealed::new(Arc::new(store), Arc::new(keys));
        Node::start(sealed, Arc::new(Still), NodeOptions::default(), Vec::new())
            .await
            .unwrap()
    }

    /// A forgetful node, and a trail in a folder of its own.
    async fn forgetful_world() -> (TempDir, Arc<Node>, Writer) {
        let home = tempfile::tempdir().unwrap();
        let (arena, _) = Arena::new(64 << 10).unwrap();
        let node = forgetful_node(&arena).await;
        let key = arena.store_bytes(&[9; 32]).unwrap();
        let trail = Trail::open(home.path(), TrailOptions::default(), key).unwrap();
        let (writer, _) = Writer::start(trail).unwrap();
        (home, node, writer)
    }

    /// Commits the events of that many changes, before anybody else has a turn.
    async fn commit_events(node: &Node, numbers: std::ops::Range<u32>) {
        for number in numbers {
            // In the store's order, which is not that of the paths.
            let path =
                paths::outbox(Timestamp::default(), &format!("{:04}", 9999 - number)).unwrap();
            let mut batch = node.batch();
            let event = format!("event {number}");
            batch
                .put(
                    path,
                    purpose::OUTBOX,
                    event.as_bytes(),
                    Precondition::Absent,
                )
                .unwrap();
            node.sealed().commit(batch).await.unwrap();
        }
    }

    #[tokio::test]
    async fn events_whose_changes_are_forgotten_are_copied_once_and_in_order() {
        let (home, node, writer) = forgetful_world().await;
        let relay = tokio::spawn(relay(Arc::clone(&node), writer, Arc::default(), 0));
        // Three times the relay falls behind what the engine remembers.
        for round in 0..3 {
            commit_events(&node, round * 250..(round + 1) * 250).await;
            let everything = paths::all_outbox().unwrap();
            while !node
                .sealed()
                .range(&everything, None, 1)
                .await
                .unwrap()
                .value
                .is_empty()
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        relay.abort();
        let text = fs::read_to_string(home.path().join("trail-00000001.jsonl")).unwrap();
        let events: Vec<&str> = text.lines().filter(|l| l.starts_with("event")).collect();
        let expected: Vec<String> = (0..750).map(|number| format!("event {number}")).collect();
        assert_eq!(events, expected);
    }

    #[tokio::test]
    async fn what_is_at_hand_is_not_read_back() {
        let (home, node, writer) = forgetful_world().await;
        let at_hand = Arc::new(AtHand::default());
        let relay = relay(Arc::clone(&node), writer, Arc::clone(&at_hand), 0);
        let relay = tokio::spawn(relay);
        // Until the relay follows the store.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let path_of = |number: u32| {
            let place = format!("{:04}", 9999 - number);
            paths::outbox(Timestamp::default(), &place).unwrap()
        };
        let line = |number: u32| format!("event {number} at hand").into_bytes();
        // The first is kept and committed, the second kept and then given up.
        for number in 0..2 {
            let event = at_hand.keep(&path_of(number), line(number));
            if number == 0 {
                commit_events(&node, number..number + 1).await;
                event.committed();
            } else {
                drop(event);
                commit_events(&node, number..number + 1).await;
            }
            assert!(emptied(&node, Duration::from_secs(10)).await.unwrap());
        }
        relay.abort();
        let text = fs::read_to_string(home.path().join("trail-00000001.jsonl")).unwrap();
        let events: Vec<&str> = text.lines().filter(|l| l.starts_with("event")).collect();
        assert_eq!(events, ["event 0 at hand", "event 1"]);
        let left = at_hand.events.lock();
        assert_eq!((left.lines.len(), left.bytes), (0, 0));
    }

    #[test]
    fn no_more_is_kept_at_hand_than_there_is_room() {
        let at_hand = AtHand::default();
        let path_of = |number: u32| paths::outbox(Timestamp::default(), &number.to_string());
        for number in 0..3 {
            let path = path_of(number).unwrap();
            at_hand.keep(&path, vec![0; MAX_AT_HAND / 2]).committed();
        }
        let is_kept = |number: u32| at_hand.take(&path_of(number).unwrap()).is_some();
        assert_eq!([0, 1, 2].map(is_kept), [true, true, false]);
        assert_eq!(at_hand.events.lock().bytes, 0);
    }

    fn lengths(revisions: &[u64]) -> Vec<usize> {
        let batches = batches(revisions, |revision| Revision::new(*revision));
        batches.map(<[u64]>::len).collect()
    }

    #[test]
    fn no_batch_ends_between_two_events_of_one_revision() {
        let one_each: Vec<u64> = (1..=250).collect();
        assert_eq!(lengths(&one_each), [100, 100, 50]);
        // The hundredth and its neighbour stand under one revision.
        let mut pairs = one_each;
        pairs[99] = 101;
        assert_eq!(lengths(&pairs), [99, 100, 51]);
        assert_eq!(lengths(&[]), [] as [usize; 0]);
    }
}
