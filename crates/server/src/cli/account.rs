//! `keyward account`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keyward_crypto::random;
use keyward_services::bootstrap::{self, FirstCredentials, NewAccount};
use keyward_types::account::AccountId;

use crate::{
    cli::{Existing, ServerPlace, next::UseFile, stopped::StoppedServer},
    opened::draft::CredentialsDraft,
    out::say,
};

const CREATE_EXAMPLES: &str = "\
Examples:
  keyward account create --data-dir /var/lib/keyward --name Production
  keyward account create --data-dir /var/lib/keyward --account-id 111122223333 \\
      --credentials ~/.aws/production --profile production";

const LIST_EXAMPLES: &str = "\
Example:
  keyward account list --data-dir /var/lib/keyward";

/// Add accounts or list them, while the server is stopped
///
/// While the server runs, an organization's management account adds accounts with
/// `aws organizations create-account`.
#[derive(Debug, Subcommand)]
pub enum Account {
    Create(Create),
    List(List),
}

/// Create an account, and an access key of its root user in a file
///
/// The audit trail records it.
#[derive(Debug, Args)]
#[command(after_long_help = CREATE_EXAMPLES)]
pub struct Create {
    #[command(flatten)]
    existing: Existing,
    /// A Region of the partition in which the account is created
    /// [default: the server's default Region]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The new account's id: twelve digits [default: random]
    #[arg(long, value_name = "ID")]
    account_id: Option<String>,
    /// The new account's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The new account's email address, which no other account may have
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// A new file for the access key of its root user, in the format of AWS's shared credentials
    /// file [default: DIR/credentials-ID]
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The profile in that file under which the access key is stored
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
}

/// List the accounts of a data directory
#[derive(Debug, Args)]
#[command(after_long_help = LIST_EXAMPLES)]
pub struct List {
    #[command(flatten)]
    existing: Existing,
}

impl Account {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        match self {
            Self::Create(create) => runtime.block_on(create.run()),
            Self::List(list) => runtime.block_on(list.run()),
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let account = match &self.account_id {
            Some(text) => AccountId::parse(text)
                .ok()
                .with_context(|| format!("--account-id is `{text}`: use twelve digits"))?,
            None => AccountId::from_random(random::array()),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if self.profile.is_empty() || !self.profile.chars().all(legal) {
            bail!(
                "--profile is `{}`: use letters, digits and `_-.`",
                self.profile
            );
        }
        let place = ServerPlace {
            region: self.region,
            ..self.existing.place()
        };
        let server = StoppedServer::open(place).await?;
        let file = self
            .credentials
            .unwrap_or_else(|| server.data().credentials(account.as_str()));
        server.settle(&file).await?;
        let new = NewAccount {
            account,
            region: server.config().region,
            name: self.name,
            email: self.email,
        };
        let mut draft = None;
        let first = || {
            let credentials = FirstCredentials::generate(account);
            let profile = (&credentials, self.profile.as_str());
            draft = Some(CredentialsDraft::write(&file, profile, Some(&[]))?);
            Ok(credentials)
        };
        let (store, clock) = (server.store(), server.clock());
        bootstrap::create_account(store, server.root(), server.arena(), clock, new, first)
            .await
            .with_context(|| format!("cannot create account {account}"))?;
        if let Some(draft) = draft {
            draft.keep()?;
        }
        say!("Account {account} is created.")?;
        say!(
            "The access key of its root user is in {}, profile {}.",
            file.display(),
            self.profile
        )?;
        let use_file = UseFile {
            file: &file,
            profile: &self.profile,
            config: server.config(),
        };
        use_file.say()
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let server = StoppedServer::open(self.existing.place()).await?;
        let accounts = bootstrap::accounts(server.store(), server.root(), server.arena()).await?;
        say!("{:<14}{:<12}{:<22}NAME", "ACCOUNT", "PARTITION", "CREATED")?;
        for account in accounts {
            say!(
                "{:<14}{:<12}{:<22}{}",
                account.account.as_str(),
                account.partition.as_str(),
                account.created.iso8601(),
                account.name.as_deref().unwrap_or("-")
            )?;
        }
        Ok(())
    }
}
