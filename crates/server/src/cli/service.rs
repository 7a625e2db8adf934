//! `keyward service`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keyward_crypto::secret::arena::Arena;
use keyward_keys::root_key::RootKey;
use keyward_services::{
    bootstrap::services,
    via_service::{SERVICES, Service as Known},
};
use keyward_store::store::Store;

use crate::{cli::Place, clock::SystemClock, config::Config, opened::DataDir};

/// Give credentials to the services that act for callers, while the server is stopped
///
/// A service with credentials signs as its principal (elasticfilesystem.us-west-2.amazonaws.com)
/// and may act for the users who call it: it presents a request that a user signed for it, and
/// gets a short session that is good for one key, with kms:ViaService naming the service.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Give a service credentials, in place of all it has
    Create(Create),
    /// List the services, and which of them have credentials
    List(Place),
    /// Take a service's credentials away
    Delete(Delete),
}

#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    place: Place,
    /// The service, as requests to it are signed, such as elasticfilesystem
    name: String,
    /// Where its credentials go, in the format of AWS's shared credentials file
    /// [default: DIR/credentials-NAME]
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    place: Place,
    /// The service, as requests to it are signed
    name: String,
}

/// The opened store of a stopped server.
struct Opened {
    data: DataDir,
    config: Config,
    arena: Arena,
    store: std::sync::Arc<dyn Store>,
    root: RootKey,
}

impl Service {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match self {
                Self::Create(create) => create.run().await,
                Self::List(place) => list(&place).await,
                Self::Delete(delete) => delete.run().await,
            }
        })
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let service = known(&self.name)?;
        let opened = open(&self.place).await?;
        let file = self.credentials.unwrap_or_else(|| {
            let name = format!("credentials-{}", service.name);
            opened.config.data_dir.join(name)
        });
        let place = (opened.config.region, opened.config.account);
        services::create(
            opened.store,
            &opened.root,
            &opened.arena,
            &SystemClock::new(),
            (service, place),
            |credentials| opened.data.write_profile(&file, credentials),
        )
        .await?;
        println!(
            "{} has credentials, in {}.",
            service.global_name(),
            file.display()
        );
        Ok(())
    }
}

impl Delete {
    async fn run(self) -> anyhow::Result<()> {
        let service = known(&self.name)?;
        let opened = open(&self.place).await?;
        let place = (opened.config.region, opened.config.account);
        let clock = SystemClock::new();
        let had = services::delete(
            opened.store,
            &opened.root,
            &opened.arena,
            &clock,
            (service, place),
        )
        .await?;
        if !had {
            bail!("{} has no credentials", service.name);
        }
        println!("{} has no credentials any more.", service.global_name());
        Ok(())
    }
}

async fn list(place: &Place) -> anyhow::Result<()> {
    let opened = open(place).await?;
    let place = (opened.config.region, opened.config.account);
    let found = services::list(opened.store, &opened.root, &opened.arena, place).await?;
    for service in SERVICES {
        let keys = found
            .iter()
            .find(|record| record.name == service.name)
            .and_then(|record| record.access_keys.first());
        let keys = keys.map_or("no credentials".to_owned(), ToString::to_string);
        let managed = service.alias().map(|alias| alias.to_string());
        println!(
            "{:<20} {:<26} {keys}",
            service.name,
            managed.unwrap_or_default()
        );
    }
    Ok(())
}

fn known(name: &str) -> anyhow::Result<&'static Known> {
    Known::find(name).with_context(|| {
        let names: Vec<&str> = SERVICES.iter().map(|service| service.name).collect();
        format!("`{name}` is no service: use one of {}", names.join(", "))
    })
}

async fn open(place: &Place) -> anyhow::Result<Opened> {
    let config = place.resolve()?;
    if !config.data_dir.join("store.db").exists() {
        bail!(
            "{} holds no store: run `keyward init` first",
            config.data_dir.display()
        );
    }
    let data = DataDir::lock(&config.data_dir)?;
    let (arena, _) = Arena::new(config.arena_bytes)?;
    let store = data.store()?;
    let root = data.root_key(&*store, &config.root_key, &arena).await?;
    Ok(Opened {
        data,
        config,
        arena,
        store,
        root,
    })
}
