//! Syncs the trail to disk while requests come, and has the store record how far.

use std::{sync::Arc, time::Duration};

use keyward_store::{error::CommitError, node::Node, revision::Revision, sealed::Sealed};
use keyward_trail::writer::Writer;
use tokio::time::{MissedTickBehavior, interval};

use super::Ledger;

/// How often the trail is brought to the disk while events of changes wait for that.
const TICK: Duration = Duration::from_millis(200);
/// After how many ticks at most that happens, and the store records it, while the requests change
/// nothing.
const TICKS: u32 = 5;

/// Keeps the head true for as long as it is polled. Nobody waits for it.
pub async fn keep(node: Arc<Node>, writer: Writer, ledger: Arc<Ledger>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut since, mut brought) = (0, 0);
    let mut synced = ledger.frontier().watch();
    loop {
        tokio::select! {
            _ = ticks.tick() => since += 1,
            _ = synced.changed() => {
                // A new segment is recorded at once, everything else later.
                let segment = synced.borrow_and_update().at.segment;
                if segment == ledger.head().chain.end.at.segment {
                    continue;
                }
                since = TICKS;
            }
        }
        let written = writer.state().batches();
        let due = since >= TICKS;
        if written != brought && (due || ledger.is_awaited()) && writer.sync().await {
            brought = written;
        }
        if due {
            since = 0;
            if let Err(error) = write(node.sealed(), &ledger).await {
                tracing::warn!(%error, "the trail's head cannot be written to the store");
            }
        }
    }
}

/// Writes the head, unless the one in the store says the same.
///
/// # Errors
/// When the store refuses.
pub async fn write(sealed: &Sealed, ledger: &Ledger) -> Result<(), CommitError> {
    if ledger.is_behind() {
        let mut batch = sealed.batch();
        // Nothing but the head, which goes with every transaction.
        batch.raise(Revision::default());
        sealed.commit(batch).await?;
    }
    Ok(())
}
