//! The end of all grants that a destroyed key had.

use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    error::{CommitError, LimitError},
    path::Prefix,
};
use keyward_types::key_id::{KeyArn, KeyId};

use crate::{
    directory::ReadError,
    directory::scopes::scopes,
    kms::grants::{
        index::{self, Places},
        lookup::stored,
    },
    server::Shared,
};

/// How many grants one batch of the sweeper removes, each with what stands below the account of
/// its retiring principal.
const AT_ONCE: usize = MAX_BATCH_CHANGES / 2;

/// Removes what is left of the grants of destroyed keys. It can stop anywhere and go on later.
pub async fn sweep(shared: &Shared) {
    if let Err(error) = sweep_all(shared).await {
        tracing::warn!(%error, "grants of destroyed keys cannot be swept away yet");
    }
}

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Limit(#[from] LimitError),
}

async fn sweep_all(shared: &Shared) -> Result<(), SweepError> {
    let store = shared.directory.node().sealed().store();
    for scope in scopes(shared).await.map_err(ReadError::from)? {
        let Some(region) = scope.region else { continue };
        let prefix = index::all_left(region, scope.account).map_err(ReadError::from)?;
        loop {
            let page = store.range(&prefix, None, 1).await;
            let page = page.map_err(ReadError::from)?.value;
            let Some(left) = page.first() else { break };
            let id = left.path.segments().last().map(KeyId::parse);
            if let Some(Ok(id)) = id {
                sweep_key(shared, &KeyArn::new(region, scope.account, id)).await?;
            }
            let mut batch = shared.directory.node().batch();
            batch.delete(left.path.clone(), Precondition::At(left.revision))?;
            shared.directory.node().commit(batch).await?;
        }
    }
    Ok(())
}

async fn sweep_key(shared: &Shared, key: &KeyArn) -> Result<(), SweepError> {
    let sealed = shared.directory.node().sealed();
    let places = Places::new(sealed, key);
    let grants = places.grants().map_err(ReadError::from)?;
    loop {
        let page = sealed.range(&grants, None, AT_ONCE).await;
        let page = page.map_err(ReadError::from)?.value;
        if page.is_empty() {
            break;
        }
        let mut batch = shared.directory.node().batch();
        for record in &page {
            // What stands below other accounts is known from the grant only.
            let grant = stored(record)?.record;
            if let Some(path) = places.retirable_of(&grant).map_err(ReadError::from)? {
                batch.delete(path, Precondition::Any)?;
            }
            batch.delete(record.path.clone(), Precondition::Any)?;
        }
        shared.directory.node().commit(batch).await?;
    }
    for prefix in [
        places.all_entries(),
        places.all_shapes(),
        places.names(),
        places.grantees(),
    ] {
        sweep_below(shared, &prefix.map_err(ReadError::from)?).await?;
    }
    Ok(())
}

async fn sweep_below(shared: &Shared, prefix: &Prefix) -> Result<(), SweepError> {
    let node = shared.directory.node();
    loop {
        let page = node.sealed().store().range(prefix, None, MAX_BATCH_CHANGES);
        let page = page.await.map_err(ReadError::from)?.value;
        if page.is_empty() {
            return Ok(());
        }
        let mut batch = node.batch();
        for entry in page {
            batch.delete(entry.path, Precondition::Any)?;
        }
        node.commit(batch).await?;
    }
}
