//! The thread that writes. Everything that is queued becomes one transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{schema, steps};
use crate::{
    batch::{Batch, BatchOperation, Precondition},
    error::{CommitError, StoreError},
    feed::Changed,
    log::Log,
    path::Path,
    revision::Revision,
    stamp::Stamp,
};

/// How many batches may be queued before callers have to wait.
pub(super) const QUEUE: usize = 1024;

/// The most that one transaction holds, which bounds how long its first batch waits for the last.
const GROUP_BATCHES: usize = 256;
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How many times a scrub tries while readers hold an old snapshot.
const SCRUB_ATTEMPTS: usize = 10;

/// Writes an entry, replacing any other.
const PUT: &str = "INSERT INTO entry (path, revision, value) VALUES (?1, ?2, ?3)
     ON CONFLICT (path) DO UPDATE SET revision = excluded.revision, value = excluded.value";

/// Writes at which revision a transaction began, and at which it ends.
const ADVANCE: &str = "UPDATE meta SET value = CASE name WHEN 'began' THEN ?1 ELSE ?2 END
     WHERE name IN ('began', 'revision')";

/// A transaction that changes nothing: it begins and ends at the same revision.
const PROBE: &str = "UPDATE meta SET value = CASE name
         WHEN 'probe' THEN value + 1
         ELSE (SELECT value FROM meta WHERE name = 'revision') END
     WHERE name IN ('began', 'probe')";

/// A job for the thread.
pub(super) enum Job {
    Commit(Batch, Reply<Result<Revision, CommitError>>),
    Stamp(Arc<dyn Stamp>, Reply<()>),
    Probe(Reply<Result<u64, StoreError>>),
    Scrub(Reply<Result<(), StoreError>>),
}

type Reply<T> = oneshot::Sender<T>;
type Waiting = (Batch, Reply<Result<Revision, CommitError>>);

pub(super) struct Writer {
    connection: Connection,
    log: Arc<Log>,
    at: Revision,
    stamp: Option<Arc<dyn Stamp>>,
    // After a failed write to the journal nobody knows what will be there after a crash. Only
    // reopening the store, which reads it back, can tell; until then nothing more is written.
    broken: Option<StoreError>,
}

impl Writer {
    pub(super) fn new(connection: Connection, log: Arc<Log>, at: Revision) -> Self {
        Self {
            connection,
            log,
            at,
            stamp: None,
            broken: None,
        }
    }

    /// Serves jobs until all senders are gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut held = None;
        while let Some(job) = held.take().or_else(|| jobs.blocking_recv()) {
            // The caller may be gone; then the answer is dropped.
            match job {
                Job::Commit(batch, reply) => {
                    let mut group = vec![(batch, reply)];
                    held = gather(&mut group, &mut jobs);
                    self.commit(group);
                }
                Job::Stamp(stamp, reply) => {
                    self.stamp = Some(stamp);
                    let _ = reply.send(());
                }
                Job::Probe(reply) => {
                    let _ = reply.send(self.guarded(probe));
                }
                Job::Scrub(reply) => {
                    let _ = reply.send(self.guarded(scrub));
                }
            }
        }
    }

    /// Commits a group in one transaction and answers each of its batches.
    fn commit(&mut self, group: Vec<Waiting>) {
        let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let (at, stamp) = (self.at, self.stamp.clone());
        let kept = self.guarded(|connection| apply(connection, batches, at, stamp.as_deref()));
        if let Some(stamp) = &stamp {
            stamp.settled(kept.as_ref().is_ok_and(|kept| kept.at > at));
        }
        match kept {
            Ok(Applied { at, changed, each }) => {
                if at > self.at {
                    self.at = at;
                    self.log.publish(changed, at);
                }
                for (reply, answer) in replies.into_iter().zip(each) {
                    let _ = reply.send(answer);
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone().into()));
                }
            }
        }
    }

    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let result = work(&mut self.connection);
        match &result {
            Err(error @ (StoreError::Failed { .. } | StoreError::Corrupt { .. })) => {
                tracing::error!(%error, "the store failed and takes no more writes");
                self.broken = Some(error.clone());
            }
            Err(error) => tracing::warn!(%error, "the store refused a write"),
            Ok(_) => {}
        }
        result
    }
}

/// What a transaction has committed.
struct Applied {
    at: Revision,
    changed: Vec<Changed>,
    each: Vec<Result<Revision, CommitError>>,
}

/// Adds the other queued batches, and answers the first job that is not a commit.
fn gather(group: &mut Vec<Waiting>, jobs: &mut mpsc::Receiver<Job>) -> Option<Job> {
    let mut bytes = group.iter().map(|(batch, _)| batch.bytes()).sum::<usize>();
    while group.len() < GROUP_BATCHES && bytes < GROUP_BYTES {
        match jobs.try_recv() {
            Ok(Job::Commit(batch, reply)) => {
                bytes += batch.bytes();
                group.push((batch, reply));
            }
            Ok(other) => return Some(other),
            Err(_) => break,
        }
    }
    None
}

/// Each batch sees the changes of those before it in the group. A batch whose precondition does not
/// hold changes nothing and does not affect the others. Nothing is answered before everything is
/// durable, not even a conflict, since it may be caused by a batch of the same group.
fn apply(
    connection: &mut Connection,
    batches: Vec<Batch>,
    before: Revision,
    stamp: Option<&dyn Stamp>,
) -> Result<Applied, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut at, mut changed) = (before, Vec::new());
    let mut each = Vec::with_capacity(batches.len());
    for batch in batches {
        if let Some(path) = conflict(&transaction, &batch)? {
            each.push(Err(CommitError::Conflict { path }));
            continue;
        }
        if batch.is_write() {
            at = batch.revision_after(at);
            if let Some(stamp) = stamp {
                for change in batch.changes() {
                    if let BatchOperation::Put(value) = &change.operation {
                        stamp.put(&change.path, value);
                    }
                }
            }
            write(&transaction, batch, at, &mut changed)?;
        }
        each.push(Ok(at));
    }
    if at == before {
        transaction.rollback()?;
    } else {
        if let Some(stamp) = stamp {
            let (path, value) = stamp.entry(at);
            transaction
                .prepare_cached(PUT)?
                .execute((path.as_str(), integer(at)?, value))?;
        }
        transaction
            .prepare_cached(ADVANCE)?
            .execute([integer(before)?, integer(at)?])?;
        transaction.commit()?;
    }
    Ok(Applied { at, changed, each })
}

/// The first path of the batch whose precondition does not hold.
fn conflict(transaction: &Transaction<'_>, batch: &Batch) -> Result<Option<Path>, StoreError> {
    let mut select = transaction.prepare_cached("SELECT revision FROM entry WHERE path = ?1")?;
    for change in batch.changes() {
        if change.precondition == Precondition::Any {
            continue;
        }
        let stands = select
            .query_row([change.path.as_str()], |row| schema::number(row, 0))
            .optional()?;
        if !change.precondition.holds(stands) {
            return Ok(Some(change.path.clone()));
        }
    }
    Ok(None)
}

fn write(
    transaction: &Transaction<'_>,
    batch: Batch,
    revision: Revision,
    changed: &mut Vec<Changed>,
) -> Result<(), StoreError> {
    let number = integer(revision)?;
    let mut put = transaction.prepare_cached(PUT)?;
    let mut delete = transaction.prepare_cached("DELETE FROM entry WHERE path = ?1")?;
    for change in batch.into_changes() {
        let path = change.path;
        let deleted = match change.operation {
            BatchOperation::Put(value) => {
                put.execute((path.as_str(), number, value))?;
                false
            }
            BatchOperation::Delete => {
                delete.execute([path.as_str()])?;
                true
            }
            BatchOperation::Check => continue,
        };
        changed.push(Changed {
            revision,
            path,
            deleted,
        });
    }
    Ok(())
}

/// Writes one page durably, like a commit, and answers how many bytes are in use.
fn probe(connection: &mut Connection) -> Result<u64, StoreError> {
    connection.execute(PROBE, [])?;
    let pages = |name| connection.query_row(name, [], |row| row.get::<_, u32>(0));
    let used = pages("PRAGMA page_count")?.saturating_sub(pages("PRAGMA freelist_count")?);
    Ok(u64::from(used).saturating_mul(steps::PAGE_BYTES))
}

/// Deleted content is overwritten with zeros when it is freed (`secure_delete`). Remains of it are
/// in the journal and in pages that the journal has not yet overwritten; after a checkpoint, there
/// are none.
fn scrub(connection: &mut Connection) -> Result<(), StoreError> {
    for _ in 0..SCRUB_ATTEMPTS {
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy == 0 {
            return Ok(());
        }
    }
    // Nothing is broken; readers blocked it all the time.
    Err(StoreError::Busy)
}

fn integer(revision: Revision) -> Result<i64, StoreError> {
    i64::try_from(revision.number()).map_err(|_| StoreError::Full)
}
