//! Events of changes, on their way from the store to the audit trail.

use std::{sync::Arc, time::Duration};

use keyward_trail::chain::Copied;

use crate::{
    audit::{ledger::keep, outbox},
    front::Front,
};

/// Copies events of changes to the trail, and has the store record the state of the trail, for as
/// long as it is polled.
pub async fn relay(front: Front, copied: Copied) {
    let shared = front.shared();
    let (node, writer) = (Arc::clone(shared.directory.node()), shared.writer.clone());
    let (places, ledger) = (Arc::clone(&shared.outbox), Arc::clone(&shared.ledger));
    drop(front);
    let keeps = keep::keep(Arc::clone(&node), writer.clone(), Arc::clone(&ledger));
    tokio::select! {
        () = keeps => {}
        () = outbox::relay(node, writer, places, (ledger, copied)) => {}
    }
}

/// Waits until the events of all changes are in the trail, for a while; says so if they do not. The
/// rest is copied at the next start.
pub async fn relayed(front: &Front) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let node = front.shared().directory.node();
    let places = &front.shared().outbox;
    let writer = &front.shared().writer;
    match outbox::emptied(node, places, writer, PATIENCE).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("events of changes must still be copied to the audit trail"),
        Err(error) => tracing::warn!(%error, "the outbox cannot be emptied"),
    }
}
