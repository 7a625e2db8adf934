//! The workers: what the system itself owes keys and operators, without a caller.

pub mod counting;
pub mod health;
pub mod last_use;

use std::{future::Future, time::Duration};

use tokio::{sync::watch, time::MissedTickBehavior};

/// Does `work` every so often until `stop` says so.
pub async fn every<F: Future<Output = ()>>(
    period: Duration,
    mut stop: watch::Receiver<bool>,
    mut work: impl FnMut() -> F,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => work().await,
            _ = stop.changed() => return,
        }
    }
}
