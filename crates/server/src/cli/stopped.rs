//! A stopped server, opened by a maintenance command.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_client::clock::SystemClock;
use keyward_crypto::secret::arena::Arena;
use keyward_keys::root_key::RootKey;
use keyward_services::bootstrap::accept::Stopped;
use keyward_store::store::Store;

use crate::{cli::ServerPlace, config::Config, opened::DataDir, privileges};

/// The data directory, its store and its root key.
pub struct StoppedServer {
    data: DataDir,
    config: Config,
    arena: Arena,
    store: Arc<dyn Store>,
    root: RootKey,
    clock: SystemClock,
}

impl StoppedServer {
    /// Opens what is in a data directory; nothing is created.
    ///
    /// # Errors
    /// When there is none, a part of it cannot be opened, or root would open another user's.
    pub async fn open(place: ServerPlace) -> anyhow::Result<Self> {
        let config = place.resolve()?;
        privileges::not_as_root(&config.data_dir)?;
        let data = DataDir::open(&config.data_dir)?;
        let (arena, _) = Arena::new(config.arena_bytes)?;
        let store = data.store().await?;
        let root = data.root_key(&config.root_key, &arena)?;
        data.settle_drafts((&store, &root, &arena), None).await?;
        Ok(Self {
            data,
            config,
            arena,
            store,
            root,
            clock: SystemClock::new(),
        })
    }

    /// Settles drafts of credentials that an earlier command left next to the file chosen for new
    /// ones.
    ///
    /// # Errors
    /// When the store cannot be read, or the system refuses.
    pub async fn settle(&self, chosen: &Path) -> anyhow::Result<()> {
        let opened = (&self.store, &self.root, &self.arena);
        self.data.settle_drafts(opened, Some(chosen)).await
    }

    /// The parts that accepting a restore, a loss or a clock needs.
    pub fn stopped(&self) -> Stopped<'_> {
        Stopped {
            store: Arc::clone(&self.store),
            root: &self.root,
            arena: &self.arena,
            clock: &self.clock,
            home: (self.config.region, self.config.account),
            user: rustix::process::getuid().as_raw(),
        }
    }

    /// The data directory.
    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The directory of the trail.
    pub fn audit(&self) -> PathBuf {
        self.data.audit()
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The root key.
    pub fn root(&self) -> &RootKey {
        &self.root
    }

    /// The arena.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// The clock.
    pub fn clock(&self) -> &SystemClock {
        &self.clock
    }
}
