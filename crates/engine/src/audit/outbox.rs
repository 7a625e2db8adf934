//! The outbox: events of changes are committed with the changes themselves, and copied from here
//! to the trail in the store's order, once each, whatever crashes in between. What the trail has on
//! disk is written over by the next event, or removed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    error::{CommitError, StoreError},
    feed::{Changed, Progress},
    node::Node,
    path::Path,
    revision::Revision,
    sealed::{Generation, SealedError},
    store::MAX_RANGE,
};
use keyward_trail::{
    chain::{Copied, End, Position},
    writer::{NotRecorded, Writer},
};
use tokio::{sync::watch, task::JoinSet};

use self::places::Places;
use crate::{
    audit::ledger::Ledger,
    directory::{paths, purpose},
};

pub mod places;

/// How long the relay waits after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How long events gather before they are copied: one by one, each would cost as much as the change
/// that it is about.
const GATHER: Duration = Duration::from_millis(20);

/// An event that waits to be copied.
struct Waiting {
    revision: Revision,
    path: Path,
    /// With the generation of its record. `None` if the trail has it already, and it only has to be
    /// removed.
    line: Option<(Generation, Vec<u8>)>,
}

/// Events that the trail has, but perhaps not yet on disk.
struct OnTrail {
    /// Where the trail ends with them.
    until: Position,
    events: Vec<(Path, Revision)>,
    /// Whether those in places of ours are kept to be written over.
    kept: bool,
}

/// Why the relay stopped where it was.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox cannot be read.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// What was copied cannot be removed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The trail cannot be written.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// A path cannot be formed.
    #[error("a path of the outbox cannot be formed")]
    Path,
}

impl From<StoreError> for RelayError {
    fn from(error: StoreError) -> Self {
        Self::Sealed(error.into())
    }
}

/// Copies events to the trail for as long as it is polled. `copied` is how far the trail itself
/// says that it had come.
pub async fn relay(
    node: Arc<Node>,
    writer: Writer,
    places: Arc<Places>,
    (ledger, copied): (Arc<Ledger>, Copied),
) {
    let mut relay = Relay {
        node,
        writer,
        places,
        synced: ledger.frontier().watch(),
        ledger,
        copied_to: Revision::new(copied.revision),
        copied,
        until: Position::default(),
        held: VecDeque::new(),
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
    places: Arc<Places>,
    ledger: Arc<Ledger>,
    synced: watch::Receiver<End>,
    /// No change up to here has an event that is still to be copied.
    copied_to: Revision,
    /// What the trail has of the changes.
    copied: Copied,
    /// Where the trail ended with the last event that was copied.
    until: Position,
    held: VecDeque<OnTrail>,
}

impl Relay {
    async fn follow(&mut self) -> Result<(), RelayError> {
        let from = self.node.sealed().store().revision().await?;
        let mut feed = self.node.follow(from).await?;
        self.copy_all(from).await?;
        loop {
            let progress = tokio::select! {
                progress = feed.next() => progress?,
                // The ledger lives as long as the relay.
                _ = self.synced.changed() => {
                    self.release().await?;
                    continue;
                }
            };
            match progress {
                Progress::Changes {
                    changes,
                    complete_to,
                    ..
                } => {
                    if changes.is_empty() {
                        self.remove_free().await?;
                        self.look_at_doubtful().await?;
                    }
                    let is_event = |change: &Changed| {
                        !change.deleted && change.path.as_str().starts_with("outbox/")
                    };
                    let events: Vec<Changed> = changes.into_iter().filter(is_event).collect();
                    if !events.is_empty() {
                        tokio::time::sleep(GATHER).await;
                        let waiting = self.fetch(events).await?;
                        self.copy(waiting, true).await?;
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
            let line = match self.places.line(&path) {
                Some(kept) => kept,
                None => match self.node.sealed().get(&path).await?.value {
                    Some(record) => {
                        let line = record.bytes_of(purpose::OUTBOX)?.to_vec();
                        (record.generation, line)
                    }
                    // Copied and removed before the feed reported it.
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

    /// Copies whatever is in the outbox, in the store's order; also what was copied before a crash
    /// and only has to be removed.
    async fn copy_all(&mut self, complete_to: Revision) -> Result<(), RelayError> {
        let prefix = paths::all_outbox();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut after: Option<Path> = None;
        // What is read here is removed, so nobody may overwrite it any more; what is held is still
        // there and is read as well.
        self.held.clear();
        self.remove_free().await?;
        loop {
            let sealed = self.node.sealed();
            let page = sealed
                .range(&prefix, after.as_ref(), MAX_RANGE)
                .await?
                .value;
            let whole = page.len() < MAX_RANGE;
            after = page.last().map(|last| last.path.clone());
            for record in page {
                // What was written while the pages were read comes again through the feed.
                if record.revision > complete_to {
                    continue;
                }
                self.places.line(&record.path);
                let line = record.bytes_of(purpose::OUTBOX)?;
                waiting.push(Waiting {
                    revision: record.revision,
                    line: (record.revision > self.copied_to)
                        .then(|| (record.generation, line.to_vec())),
                    path: record.path,
                });
            }
            if whole {
                break;
            }
        }
        waiting.sort_by_key(|event| event.revision);
        self.copy(waiting, false).await?;
        self.copied_to = self.copied_to.max(complete_to);
        Ok(())
    }

    /// Copies events to the trail, and has them leave the outbox once the trail has them on disk.
    async fn copy(&mut self, waiting: Vec<Waiting>, kept: bool) -> Result<(), RelayError> {
        for batch in batches(&waiting, |event| event.revision) {
            let (mut lines, mut copied) = (Vec::new(), self.copied);
            for event in batch {
                if let Some((generation, line)) = &event.line {
                    lines.extend_from_slice(line);
                    lines.push(b'\n');
                    copied.events += 1;
                    let weight = self.ledger.weight(*generation);
                    copied.sum = copied.sum.wrapping_add(weight);
                    copied.revision = copied.revision.max(event.revision.number());
                }
            }
            let count = copied.events - self.copied.events;
            if count > 0 {
                self.until = self.writer.record_changes(lines, count, copied).await?;
                self.copied = copied;
                self.copied_to = self.copied_to.max(Revision::new(copied.revision));
            }
            let events = batch
                .iter()
                .map(|event| (event.path.clone(), event.revision));
            self.held.push_back(OnTrail {
                until: self.until,
                events: events.collect(),
                kept,
            });
        }
        self.release().await
    }

    /// Releases what the trail has on disk: a place of ours may be overwritten, and everything else
    /// is removed.
    async fn release(&mut self) -> Result<(), RelayError> {
        let mut removals = JoinSet::new();
        while let Some(held) = self
            .held
            .pop_front_if(|held| self.ledger.frontier().is_synced(held.until))
        {
            let mut removal = self.node.batch();
            for (path, revision) in held.events {
                if held.kept && self.places.give_back(&path) {
                    continue;
                }
                // Not another event that was written there in the meantime.
                let removed = removal.delete(path, Precondition::At(revision));
                removed.map_err(|_| RelayError::Path)?;
            }
            if !removal.is_empty() {
                // Side by side, so that the store takes them in one transaction.
                let sealed = self.node.sealed().clone();
                removals.spawn(async move { sealed.commit(removal).await });
            }
        }
        self.ledger.await_disk(!self.held.is_empty());
        while let Some(removed) = removals.join_next().await {
            // A task that was cut off was so because the server ends.
            removed.map_err(|_| StoreError::Closed)??;
        }
        Ok(())
    }

    async fn remove_free(&self) -> Result<(), RelayError> {
        remove_free(&self.node, &self.places).await
    }

    /// Removes what is in doubtful places and already on the trail. The feed brings the rest.
    async fn look_at_doubtful(&self) -> Result<(), RelayError> {
        let sealed = self.node.sealed();
        for path in self.places.doubtful() {
            let Some(record) = sealed.get(&path).await?.value else {
                continue;
            };
            if record.revision > self.copied_to {
                continue;
            }
            if !self.ledger.frontier().is_synced(self.until) {
                self.places.doubt(&[path]);
                continue;
            }
            let mut removal = self.node.batch();
            // The write whose outcome is unknown may still happen.
            let at = Precondition::At(record.revision);
            removal.delete(path, at).map_err(|_| RelayError::Path)?;
            match sealed.commit(removal).await {
                Ok(_) | Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Removes what the trail has and what was not overwritten.
async fn remove_free(node: &Node, places: &Places) -> Result<(), RelayError> {
    let free = places.give_up();
    let mut chunks = free.chunks(MAX_BATCH_CHANGES);
    while let Some(some) = chunks.next() {
        let mut removal = node.batch();
        for path in some {
            let removed = removal.delete(path.clone(), Precondition::Any);
            removed.map_err(|_| RelayError::Path)?;
        }
        if let Err(error) = node.sealed().commit(removal).await {
            places.doubt(some);
            chunks.for_each(|later| places.doubt(later));
            return Err(error.into());
        }
    }
    Ok(())
}

/// Waits until the outbox is empty, all of it copied and removed, or until patience ends.
///
/// # Errors
/// When it cannot be read, or nothing removed from it.
pub async fn emptied(
    node: &Node,
    places: &Places,
    writer: &Writer,
    patience: Duration,
) -> Result<bool, RelayError> {
    let prefix = paths::all_outbox();
    let empty = async {
        loop {
            writer.sync().await;
            remove_free(node, places).await?;
            let left = node.sealed().store().range(&prefix, None, 1).await?;
            if left.value.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(GATHER).await;
        }
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
mod tests;
