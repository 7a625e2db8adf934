//! Writes down when keys were last used, in batches. What it writes decides nothing.

use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    sealed::SealedBatch,
};

use crate::{
    directory::{paths, purpose, records},
    fault::Internal,
    server::Shared,
};

/// Writes everything that was noted.
pub async fn write(shared: &Shared) {
    let noted = shared.usage.all();
    for chunk in noted.chunks(MAX_BATCH_CHANGES) {
        let mut batch: SealedBatch = shared.directory.node().batch();
        for (key, usage) in chunk {
            let put = || -> Result<(), Internal> {
                let path = paths::last_use(key).map_err(Internal::new)?;
                let bytes = records::encode(&usage.to_record()).map_err(Internal::new)?;
                batch
                    .put(path, purpose::LAST_USE, &bytes, Precondition::Any)
                    .map_err(Internal::new)?;
                Ok(())
            };
            let mut put = put;
            if let Err(error) = put() {
                tracing::error!(cause = error.chain(), %key, "a last use cannot be formed");
            }
        }
        if let Err(error) = shared.directory.node().sealed().commit(batch).await {
            tracing::warn!(%error, "last uses cannot be written yet");
            return;
        }
        for (key, usage) in chunk {
            shared.usage.written(key, usage);
        }
    }
}
