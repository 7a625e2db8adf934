//! `keyward store`

use clap::{Args, Subcommand};
use keyward_services::bootstrap::accept;

use crate::{
    cli::{Existing, next::START, stopped::StoppedServer},
    out::say,
};

const CLOCK_EXAMPLES: &str = "\
Example:
  keyward store accept-clock --data-dir /var/lib/keyward";

const RESTORE_EXAMPLES: &str = "\
Example:
  keyward store accept-restore --data-dir /var/lib/keyward";

/// Accept a restored store or a corrected clock, while the server is stopped
#[derive(Debug, Subcommand)]
pub enum Store {
    AcceptClock(AcceptClock),
    AcceptRestore(AcceptRestore),
}

/// Accept what the clock says now, although it jumped more than a week ahead
///
/// A server whose clock jumped destroys no keys, because their waiting periods would seem to have
/// ended. Run this if the clock is right now. The audit trail records it.
#[derive(Debug, Args)]
#[command(after_long_help = CLOCK_EXAMPLES)]
pub struct AcceptClock {
    #[command(flatten)]
    existing: Existing,
}

/// Accept a store that was restored from a backup
///
/// The audit trail has seen a newer store, so the server refuses to start until you run this. The
/// changes made after the backup are not in the store; the audit trail shows what they were, and
/// records that you accepted the restore.
#[derive(Debug, Args)]
#[command(after_long_help = RESTORE_EXAMPLES)]
pub struct AcceptRestore {
    #[command(flatten)]
    existing: Existing,
}

impl Store {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match self {
                Self::AcceptClock(accept) => accept_clock(accept.existing).await,
                Self::AcceptRestore(accept) => accept_restore(accept.existing).await,
            }
        })
    }
}

async fn accept_clock(existing: Existing) -> anyhow::Result<()> {
    let server = StoppedServer::open(existing.place()).await?;
    accept::accept_clock(&server.stopped()).await?;
    say!("The time is accepted. Keys scheduled for deletion are destroyed when they are due.")?;
    Ok(say!("\n{START}")?)
}

async fn accept_restore(existing: Existing) -> anyhow::Result<()> {
    let server = StoppedServer::open(existing.place()).await?;
    let found = accept::accept_restore(&server.stopped(), &server.audit()).await?;
    say!(
        "The store is accepted as it is, at revision {}. The audit trail had seen revision {}.",
        found.store,
        found.trail
    )?;
    say!("The audit trail shows what changed in between: those changes are not in the store.")?;
    Ok(say!("\n{START}")?)
}
