//! `keyward store`

use clap::Subcommand;
use keyward_services::bootstrap::accept;

use crate::cli::{Place, stopped::StoppedServer};

/// Look after the store while the server is stopped
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Take the wall clock's present reading for true, so that the destruction of keys, held
    /// because the clock leapt over a week ahead, goes on; the audit trail records it
    AcceptClock(Place),
    /// Take a store that was restored from a backup for the store there is, though the audit trail
    /// has seen a newer one; the audit trail records it
    AcceptRestore(Place),
}

impl Store {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match self {
                Self::AcceptClock(place) => accept_clock(&place).await,
                Self::AcceptRestore(place) => accept_restore(&place).await,
            }
        })
    }
}

async fn accept_clock(place: &Place) -> anyhow::Result<()> {
    let server = StoppedServer::open(place).await?;
    accept::accept_clock(&server.stopped()).await?;
    println!("The clock's reading is accepted; keys that are due go at their time.");
    Ok(())
}

async fn accept_restore(place: &Place) -> anyhow::Result<()> {
    let server = StoppedServer::open(place).await?;
    let found = accept::accept_restore(&server.stopped(), &server.audit()).await?;
    println!(
        "The store is accepted as it is, at revision {}; the audit trail was written when it stood at {}.",
        found.store, found.trail
    );
    println!("The trail shows what changed meanwhile: those changes are not in the store.");
    Ok(())
}
