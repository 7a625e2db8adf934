//! Counts keys and users for the quotas, a page at a time.

use keyward_store::{
    path::{Path, Prefix},
    sealed::SealedError,
    store::MAX_RANGE,
};

use crate::{counts::Counted, directory::paths, server::Shared, workers::due::scopes};

/// Counts everything once.
pub async fn count(shared: &Shared) {
    shared.counts.forget_grants();
    if let Err(error) = count_all(shared).await {
        tracing::warn!(%error, "keys and users cannot be counted");
    }
}

async fn count_all(shared: &Shared) -> Result<(), SealedError> {
    for scope in scopes(shared).await? {
        let (counted, prefix) = match scope.region {
            Some(region) => (
                Counted::Keys(scope.account, region),
                paths::keys(region, scope.account),
            ),
            None => (
                Counted::Users(scope.account),
                paths::users(scope.partition, scope.account),
            ),
        };
        let Ok(prefix) = prefix else { continue };
        let count = count_prefix(shared, &prefix).await?;
        shared.counts.gathered(counted, count);
    }
    Ok(())
}

/// How many records stand under a prefix.
///
/// # Errors
/// When the store cannot be read.
pub async fn count_prefix(shared: &Shared, prefix: &Prefix) -> Result<u64, SealedError> {
    let store = shared.directory.node().sealed().store();
    let (mut count, mut after): (u64, Option<Path>) = (0, None);
    loop {
        // Nothing is opened: paths are all that counting needs.
        let page = store.range(prefix, after.as_ref(), MAX_RANGE).await?.value;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        after = Some(last.path.clone());
        count += page.len() as u64;
        tokio::task::yield_now().await;
    }
}
