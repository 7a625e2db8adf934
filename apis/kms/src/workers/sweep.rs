//! The end of all grants that a destroyed key had.

use keyward_engine::{
    directory::{ReadError, scopes::scopes},
    workers::{NotCommitted, WorkerContext},
};
use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    error::LimitError,
    path::Prefix,
};
use keyward_types::key_id::{KeyArn, KeyId};

use crate::grants::{
    index::{self, GrantPaths},
    lookup::stored,
};

/// How many grants one batch of the sweeper removes, each with what is below the account of its
/// retiring principal.
const AT_ONCE: usize = MAX_BATCH_CHANGES / 2;

/// Removes the remaining grants of destroyed keys. It can stop anywhere and continue later.
pub async fn sweep(cx: &WorkerContext) {
    if let Err(error) = sweep_all(cx).await {
        tracing::warn!(%error, "grants of destroyed keys cannot be deleted yet");
    }
}

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] NotCommitted),
    #[error(transparent)]
    Limit(#[from] LimitError),
}

async fn sweep_all(cx: &WorkerContext) -> Result<(), SweepError> {
    let reader = cx.reader();
    for scope in scopes(cx.shared()).await.map_err(ReadError::from)? {
        let Some(region) = scope.region else { continue };
        let prefix = index::all_left(region, scope.account);
        loop {
            let page = reader.entries(&prefix, None, 1).await;
            let page = page.map_err(ReadError::from)?.value;
            let Some(left) = page.first() else { break };
            let id = left.path.segments().last().map(KeyId::parse);
            if let Some(Ok(id)) = id {
                sweep_key(cx, &KeyArn::new(region, scope.account, id)).await?;
            }
            let mut batch = cx.batch();
            batch.delete(left.path.clone(), Precondition::At(left.revision))?;
            cx.commit(batch).await?;
        }
    }
    Ok(())
}

async fn sweep_key(cx: &WorkerContext, key: &KeyArn) -> Result<(), SweepError> {
    let reader = cx.reader();
    let places = GrantPaths::new(reader, key);
    let grants = places.grants();
    loop {
        let page = reader.range(&grants, None, AT_ONCE).await;
        let page = page.map_err(ReadError::from)?.value;
        if page.is_empty() {
            break;
        }
        let mut batch = cx.batch();
        for record in &page {
            // What is below other accounts is known from the grant only.
            let grant = stored(record)?.record;
            if let Some(path) = places.retirable_of(&grant).map_err(ReadError::from)? {
                batch.delete(path, Precondition::Any)?;
            }
            batch.delete(record.path.clone(), Precondition::Any)?;
        }
        cx.commit(batch).await?;
    }
    for prefix in [
        places.all_entries(),
        places.all_shapes(),
        places.names(),
        places.grantees(),
    ] {
        sweep_below(cx, &prefix).await?;
    }
    Ok(())
}

async fn sweep_below(cx: &WorkerContext, prefix: &Prefix) -> Result<(), SweepError> {
    loop {
        let page = cx.reader().entries(prefix, None, MAX_BATCH_CHANGES);
        let page = page.await.map_err(ReadError::from)?.value;
        if page.is_empty() {
            return Ok(());
        }
        let mut batch = cx.batch();
        for entry in page {
            batch.delete(entry.path, Precondition::Any)?;
        }
        cx.commit(batch).await?;
    }
}
