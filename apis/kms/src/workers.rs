//! What the system itself owes keys and grants, without a caller.

pub mod due;
pub mod sweep;

use std::{sync::Arc, time::Duration};

use keyward_engine::{
    directory::ReadError,
    workers::{Worker, WorkerContext},
};

use crate::{state::KmsState, workers::due::DueWorker};

/// The workers of KMS.
///
/// # Errors
/// When the last reading of the clock cannot be read.
pub async fn all(kms: Arc<KmsState>, cx: &WorkerContext) -> Result<Vec<Worker>, ReadError> {
    const DUE: Duration = Duration::from_secs(30);
    const SWEEP: Duration = Duration::from_secs(60);
    const FORGET: Duration = Duration::from_secs(300);
    // A process that ended between the destruction of a key and this has left the key's old record in
    // the store's files.
    if let Err(error) = cx.scrub().await {
        tracing::warn!(%error, "the remains of deleted records in the store's files cannot be overwritten yet");
    }
    let due = Arc::new(DueWorker::new(cx, Arc::clone(&kms)).await?);
    Ok(vec![
        Worker::new(DUE, move |cx| {
            let due = Arc::clone(&due);
            Box::pin(async move { due.round(cx).await })
        }),
        Worker::new(SWEEP, |cx| Box::pin(sweep::sweep(cx))),
        Worker::new(FORGET, move |_| {
            kms.grant_counts().forget();
            Box::pin(async {})
        }),
    ])
}
