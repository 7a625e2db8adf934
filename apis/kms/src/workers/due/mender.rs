//! A key whose row among what is due was removed would never be destroyed or rotated: after each
//! start every key is compared with its row once, some at a time.

use keyward_engine::{
    directory::{
        ReadError, purpose,
        scopes::{Scope, scopes},
    },
    workers::{NotCommitted, WorkerContext},
};
use keyward_keys::record::KeyRecord;
use keyward_store::{batch::Precondition, error::CommitError, path::Path, sealed::Record};
use parking_lot::Mutex;

use crate::paths;

/// The most keys that one round reads.
const KEYS_A_ROUND: usize = 200;

/// How far the comparison has come.
#[derive(Debug, Default)]
pub(super) struct Mender {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    New,
    /// What is left, the part in hand last, and the key after which to go on there.
    At(Vec<Scope>, Option<Path>),
    Done,
}

impl Mender {
    /// Compares some more keys.
    ///
    /// # Errors
    /// When the store cannot be read or written; the round is then tried again.
    pub async fn round(&self, cx: &WorkerContext) -> Result<(), ReadError> {
        let state = std::mem::take(&mut *self.state.lock());
        let (mut left, after) = match state {
            State::New => (scopes(cx.shared()).await?, None),
            State::At(left, after) => (left, after),
            State::Done => {
                *self.state.lock() = State::Done;
                return Ok(());
            }
        };
        let last = loop {
            match left.last().map(|scope| (scope.account, scope.region)) {
                Some((account, Some(region))) => {
                    let prefix = paths::keys(region, account);
                    let reader = cx.reader();
                    let page = reader.range(&prefix, after.as_ref(), KEYS_A_ROUND).await?;
                    for record in &page.value {
                        mend(cx, record).await?;
                    }
                    break page.value.last().map(|record| record.path.clone());
                }
                // What is in no Region has no keys.
                Some((_, None)) => drop(left.pop()),
                None => {
                    *self.state.lock() = State::Done;
                    return Ok(());
                }
            }
        };
        if last.is_none() {
            left.pop();
        }
        *self.state.lock() = State::At(left, last);
        Ok(())
    }
}

/// Writes the row that a key should have but does not have.
async fn mend(cx: &WorkerContext, record: &Record) -> Result<(), ReadError> {
    let key = KeyRecord::parse(record.bytes_of(purpose::KEY)?).map_err(ReadError::other)?;
    let Some(due) = key.due() else { return Ok(()) };
    let arn = key.arn();
    let row = paths::due(&arn, due.at());
    if cx.reader().get(&row).await?.value.is_some() {
        return Ok(());
    }
    let mut batch = cx.batch();
    let written = batch
        .check(record.path.clone(), Precondition::At(record.revision))
        .and_then(|()| batch.put(row, purpose::DUE, b"{}", Precondition::Absent));
    if let Err(error) = written {
        tracing::error!(%error, key = %arn, "what is due for a key cannot be recorded");
        return Ok(());
    }
    match cx.commit(batch).await {
        Ok(_) => {
            tracing::error!(key = %arn, "what is due for a key was missing and is recorded again")
        }
        // The key was changed meanwhile, and its row with it.
        Err(NotCommitted::Commit(CommitError::Conflict { .. })) => {}
        Err(error) => tracing::warn!(%error, key = %arn, "what is due for a key cannot be written"),
    }
    Ok(())
}
