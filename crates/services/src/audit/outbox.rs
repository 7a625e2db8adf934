//! The outbox: events of changes are committed with the changes themselves, and copied from here
//! to the trail in the store's order, once each, whatever crashes in between.

use std::{sync::Arc, time::Duration};

use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    error::{CommitError, StoreError},
    feed::Progress,
    node::Node,
    path::Path,
    sealed::{Record, SealedError},
    store::{MAX_RANGE, Revision},
};

use crate::{
    audit::writer::{NotRecorded, Writer},
    directory::{paths, purpose},
};

/// How long the relay waits after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How long events gather before they are copied and removed: one by one, each would cost as much
/// as the change that it is about.
const GATHER: Duration = Duration::from_millis(20);

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
pub async fn relay(node: Arc<Node>, writer: Writer, copied_to: u64) {
    let mut copied_to = Revision::new(copied_to);
    loop {
        match follow(&node, &writer, &mut copied_to).await {
            Ok(()) => return,
            Err(RelayError::Sealed(SealedError::Store(StoreError::Closed))) => return,
            Err(error) => {
                tracing::error!(%error, "events of changes cannot be copied to the audit trail");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn follow(node: &Node, writer: &Writer, copied_to: &mut Revision) -> Result<(), RelayError> {
    let from = node.sealed().store().revision().await?;
    let mut feed = node.follow(from).await?;
    copy_all(node, writer, copied_to, from).await?;
    loop {
        match feed.next().await? {
            Progress::Changes {
                changes,
                complete_to,
                ..
            } => {
                let is_event = |path: &Path| path.as_str().starts_with("outbox/");
                if changes.iter().any(|c| !c.deleted && is_event(&c.path)) {
                    tokio::time::sleep(GATHER).await;
                    let records = waiting(node, *copied_to, complete_to).await?;
                    copy(node, writer, copied_to, records).await?;
                }
                *copied_to = (*copied_to).max(complete_to);
            }
            Progress::Compacted { resume_at } => {
                copy_all(node, writer, copied_to, resume_at).await?;
            }
        }
    }
}

/// Copies whatever stands in the outbox, in the store's order; also what was copied before a crash
/// and only has to be removed.
async fn copy_all(
    node: &Node,
    writer: &Writer,
    copied_to: &mut Revision,
    complete_to: Revision,
) -> Result<(), RelayError> {
    let records = waiting(node, Revision::new(0), complete_to).await?;
    copy(node, writer, copied_to, records).await?;
    *copied_to = (*copied_to).max(complete_to);
    Ok(())
}

/// What stands in the outbox from after one revision up to another, in the store's order.
async fn waiting(
    node: &Node,
    after_revision: Revision,
    up_to: Revision,
) -> Result<Vec<Record>, RelayError> {
    let prefix = paths::all_outbox().map_err(|_| RelayError::Path)?;
    let mut records: Vec<Record> = Vec::new();
    let mut after: Option<Path> = None;
    loop {
        let page = node
            .sealed()
            .range(&prefix, after.as_ref(), MAX_RANGE)
            .await?
            .value;
        let Some(last) = page.last() else { break };
        after = Some(last.path.clone());
        records.extend(page);
    }
    // What was written while the pages were read comes again by the feed.
    records.retain(|record| after_revision < record.revision && record.revision <= up_to);
    records.sort_by_key(|record| record.revision);
    Ok(records)
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

/// Copies events to the trail, and removes from the outbox what the trail has.
async fn copy(
    node: &Node,
    writer: &Writer,
    copied_to: &mut Revision,
    records: Vec<Record>,
) -> Result<(), RelayError> {
    for batch in batches(&records, |record| record.revision) {
        let (mut lines, mut count, mut to) = (Vec::new(), 0, *copied_to);
        let mut removal = node.batch();
        for record in batch {
            // Copied before a crash, and not yet removed.
            if record.revision > *copied_to {
                lines.extend_from_slice(record.bytes_of(purpose::OUTBOX)?);
                lines.push(b'\n');
                count += 1;
            }
            to = to.max(record.revision);
            let removed = removal.delete(record.path.clone(), Precondition::Any);
            removed.map_err(|_| RelayError::Path)?;
        }
        if count > 0 {
            writer.record_changes(lines, count, to.number()).await?;
        }
        *copied_to = to;
        node.sealed().commit(removal).await?;
    }
    Ok(())
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
        let home = tempfile::tempdir().unwrap();
        let (arena, _) = Arena::new(64 << 10).unwrap();
        let node = forgetful_node(&arena).await;
        let key = arena.store_bytes(&[9; 32]).unwrap();
        let trail = Trail::open(home.path(), TrailOptions::default(), key).unwrap();
        let (writer, _) = Writer::start(trail).unwrap();
        let relay = tokio::spawn(relay(Arc::clone(&node), writer, 0));
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
