//! Looks after the store and the disk, so that `/readyz` turns red before writes fail.

use crate::server::Shared;

/// Looks once.
pub async fn look(shared: &Shared, least_free_bytes: u64) {
    // While `/readyz` fails, there may be no requests that could find out that the trail can be
    // written again.
    if shared.writer.state().is_failing() && shared.writer.probe().await.is_ok() {
        tracing::info!("the audit trail can be written again");
    }
    let mut reasons = Vec::new();
    match shared.directory.node().sealed().store().probe().await {
        Ok(health) => {
            if let Some(free) = health
                .available_bytes
                .filter(|free| *free < least_free_bytes)
            {
                reasons.push(format!("the disk is nearly full: {free} bytes are left: free space on it before requests fail"));
            }
        }
        Err(error) => reasons.push(error.to_string()),
    }
    if !reasons.is_empty() {
        tracing::error!(?reasons, "not ready");
    }
    shared.found_unready(reasons);
}
