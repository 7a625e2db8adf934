//! Counts what APIs have counted for the quotas, a page at a time.

use keyward_store::sealed::SealedError;

use crate::{
    counts::CountedKind,
    directory::{counting::count_prefix, scopes::scopes},
    server::Shared,
};

/// Counts everything once.
pub async fn count(shared: &Shared, kinds: &[CountedKind]) {
    if let Err(error) = count_all(shared, kinds).await {
        tracing::warn!(%error, "keys and users cannot be counted");
    }
}

async fn count_all(shared: &Shared, kinds: &[CountedKind]) -> Result<(), SealedError> {
    for scope in scopes(shared).await? {
        let counted = kinds.iter().filter_map(|kind| kind.in_scope(scope));
        for (counted, prefix) in counted {
            let count = count_prefix(shared, &prefix).await?;
            shared.counts.gathered(counted, count);
        }
    }
    Ok(())
}
