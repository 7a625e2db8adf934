//! How many records there are.

use keyward_store::{
    path::{Path, Prefix},
    sealed::SealedError,
    store::MAX_RANGE,
};

use crate::server::Shared;

/// How many records there are under a prefix.
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
