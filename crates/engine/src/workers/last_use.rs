//! Writes down when keys, access keys and roles were last used, in batches. What it writes decides
//! nothing.

use std::hash::Hash;

use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    path::Path,
    sealed::SealedBatch,
};
use serde::Serialize;

use crate::{
    directory::{paths, purpose, records},
    fault::Internal,
    server::Shared,
    usage::LastUses,
};

/// Writes everything that was noted.
pub async fn write(shared: &Shared) {
    write_all(shared, &shared.usage, |key, usage| {
        (paths::last_use(key), usage.to_record())
    })
    .await;
    forget_deleted(shared).await;
    write_all(shared, &shared.access_key_usage, |id, usage| {
        (paths::access_key_last_use(id), usage.to_record())
    })
    .await;
    write_all(shared, &shared.role_usage, |id, (home, usage)| {
        let path = paths::role_last_use(home.0, home.1, id);
        (path, usage.to_record())
    })
    .await;
}

/// Drops the notes of access keys and roles that were deleted, so that no records of them are left
/// behind.
async fn forget_deleted(shared: &Shared) {
    for (id, usage) in shared.access_key_usage.all() {
        if let Ok(None) = shared.directory.access_key(&id).await {
            shared.access_key_usage.written(&id, &usage);
        }
    }
    for (id, usage) in shared.role_usage.all() {
        if let Ok(None) = shared.directory.role(usage.0, &id).await {
            shared.role_usage.written(&id, &usage);
        }
    }
}

async fn write_all<K, U, R>(
    shared: &Shared,
    noted: &LastUses<K, U>,
    record: impl Fn(&K, &U) -> (Path, R),
) where
    K: Clone + Eq + Hash + std::fmt::Debug,
    U: Copy + PartialEq,
    R: Serialize,
{
    for chunk in noted.all().chunks(MAX_BATCH_CHANGES) {
        let mut batch: SealedBatch = shared.directory.node().batch();
        for (key, usage) in chunk {
            let mut put = || -> Result<(), Internal> {
                let (path, record) = record(key, usage);
                let bytes = records::encode(&record).map_err(Internal::new)?;
                batch
                    .put(path, purpose::LAST_USE, &bytes, Precondition::Any)
                    .map_err(Internal::new)?;
                Ok(())
            };
            if let Err(error) = put() {
                tracing::error!(cause = error.chain(), ?key, "a last use cannot be recorded");
            }
        }
        if let Err(error) = shared.directory.node().sealed().commit(batch).await {
            tracing::warn!(%error, "last uses cannot be written yet");
            return;
        }
        for (key, usage) in chunk {
            noted.written(key, usage);
        }
    }
}
