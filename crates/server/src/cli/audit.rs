//! `keyward audit`

use clap::Subcommand;
use keyward_crypto::secret::arena::Arena;
use keyward_services::{audit::trail, bootstrap};

use crate::{cli::Place, opened::DataDir};

/// Check the audit trail
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check the MAC of every batch of the trail, from its first segment on; the server must be
    /// stopped
    Verify(Place),
}

impl Audit {
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Verify(place) = self;
        let config = place.resolve()?;
        let data = DataDir::lock(&config.data_dir)?;
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let (arena, _) = Arena::new(config.arena_bytes)?;
            let store = data.store()?;
            let root = data.root_key(&*store, &config.root_key, &arena).await?;
            let key = bootstrap::audit_key(&*store, &root, &arena).await?;
            let found = trail::verify(&data.audit(), key.expose())?;
            println!(
                "{} events in {} batches of {} segments are whole; {} batches were closed after a crash.",
                found.events, found.batches, found.segments, found.torn
            );
            Ok(())
        })
    }
}
