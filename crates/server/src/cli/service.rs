//! `keyward service`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keyward_services::bootstrap::services;
use keyward_types::via_service::{ActingService as Known, ELASTIC_FILE_SYSTEM, SERVICES};

use crate::{
    cli::{Existing, next::START, stopped::StoppedServer},
    opened::draft::CredentialsDraft,
    out::say,
};

const CREATE_EXAMPLES: &str = "\
Example:
  keyward service create elasticfilesystem --data-dir /var/lib/keyward";

const LIST_EXAMPLES: &str = "\
Example:
  keyward service list --data-dir /var/lib/keyward";

const DELETE_EXAMPLES: &str = "\
Example:
  keyward service delete elasticfilesystem --data-dir /var/lib/keyward";

/// Give credentials to services that act for callers, while the server is stopped
///
/// A service with credentials signs requests as its service principal, such as
/// elasticfilesystem.us-west-2.amazonaws.com. It may act for the users who call it: it presents a
/// request that a user signed for it, and gets a short session that works with one key, with
/// kms:ViaService naming the service.
#[derive(Debug, Subcommand)]
pub enum Service {
    Create(Create),
    List(List),
    Delete(Delete),
}

/// Give a service new credentials, which replace all that it had
#[derive(Debug, Args)]
#[command(after_long_help = CREATE_EXAMPLES)]
pub struct Create {
    #[command(flatten)]
    existing: Existing,
    /// The service, as requests to it are signed, such as elasticfilesystem
    name: String,
    /// The file for its credentials, in the format of AWS's shared credentials file
    /// [default: DIR/credentials-NAME]
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
}

/// List the services, and which of them have credentials
#[derive(Debug, Args)]
#[command(after_long_help = LIST_EXAMPLES)]
pub struct List {
    #[command(flatten)]
    existing: Existing,
}

/// Delete a service's credentials
#[derive(Debug, Args)]
#[command(after_long_help = DELETE_EXAMPLES)]
pub struct Delete {
    #[command(flatten)]
    existing: Existing,
    /// The service, as requests to it are signed
    name: String,
}

impl Service {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match self {
                Self::Create(create) => create.run().await,
                Self::List(list) => list.run().await,
                Self::Delete(delete) => delete.run().await,
            }
        })
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let service = known(&self.name)?;
        let server = StoppedServer::open(self.existing.place()).await?;
        let file = self
            .credentials
            .unwrap_or_else(|| server.data().credentials(service.name()));
        server.settle(&file).await?;
        let place = (server.config().region, server.config().account);
        let mut draft = None;
        services::create(
            server.store(),
            server.root(),
            server.arena(),
            server.clock(),
            (service, place),
            |credentials, replaced| {
                let profile = (credentials, "default");
                draft = Some(CredentialsDraft::write(&file, profile, Some(replaced))?);
                Ok(())
            },
        )
        .await?;
        if let Some(draft) = draft {
            draft.keep()?;
        }
        say!(
            "The credentials of {} are in {}.",
            service.global_name(),
            file.display()
        )?;
        Ok(say!(
            "\n{START} Then have the service sign its requests with these credentials:\ndocs/recipes/services.md shows a service that acts for its callers."
        )?)
    }
}

impl Delete {
    async fn run(self) -> anyhow::Result<()> {
        let service = known(&self.name)?;
        let server = StoppedServer::open(self.existing.place()).await?;
        let place = (server.config().region, server.config().account);
        let had = services::delete(
            server.store(),
            server.root(),
            server.arena(),
            server.clock(),
            (service, place),
        )
        .await?;
        if !had {
            bail!("{} has no credentials", service.name());
        }
        say!("Deleted the credentials of {}.", service.global_name())?;
        if service == ELASTIC_FILE_SYSTEM {
            say!(
                "\nWithin half an hour of its next start, the server permanently retires each grant of this service that looks like\none of a file system and belongs to none of its file systems. If the service is to continue, create its credentials again first."
            )?;
        }
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let server = StoppedServer::open(self.existing.place()).await?;
        let place = (server.config().region, server.config().account);
        let found = services::list(server.store(), server.root(), server.arena(), place).await?;
        say!("{:<20}{:<30}ACCESS KEY", "SERVICE", "AWS MANAGED KEY")?;
        for service in SERVICES {
            let keys = found
                .iter()
                .find(|record| record.name == service.name())
                .and_then(|record| record.access_keys.first());
            let keys = keys.map_or("no credentials".to_owned(), ToString::to_string);
            let managed = service.alias().map(|alias| alias.to_string());
            say!(
                "{:<20}{:<30}{keys}",
                service.name(),
                managed.as_deref().unwrap_or("-")
            )?;
        }
        Ok(())
    }
}

fn known(name: &str) -> anyhow::Result<&'static Known> {
    Known::find(name).with_context(|| {
        let names: Vec<&str> = SERVICES.iter().map(|service| service.name()).collect();
        format!("`{name}` is not a service: use one of {}", names.join(", "))
    })
}
