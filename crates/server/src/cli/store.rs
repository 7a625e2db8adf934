//! `keyward store`

use clap::Subcommand;
use keyward_crypto::secret::arena::Arena;
use keyward_services::bootstrap;

use crate::{cli::Place, clock::SystemClock, opened::DataDir};

/// Look after the store while the server is stopped
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Take the wall clock's present reading for true, so that the destruction of keys, held
    /// because the clock leapt over a week ahead, goes on
    AcceptClock(Place),
}

impl Store {
    pub fn run(self) -> anyhow::Result<()> {
        let Self::AcceptClock(place) = self;
        let config = place.resolve()?;
        let data = DataDir::lock(&config.data_dir)?;
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let (arena, _) = Arena::new(config.arena_bytes)?;
            let store = data.store()?;
            let root = data.root_key(&*store, &config.root_key, &arena).await?;
            bootstrap::accept_clock(store, &root, &arena, &SystemClock::new()).await?;
            println!("The clock's reading is accepted; keys that are due go at their time.");
            Ok(())
        })
    }
}
