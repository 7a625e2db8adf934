//! `keyward account`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keyward_crypto::{random, secret::arena::Arena};
use keyward_services::bootstrap::{self, FirstCredentials, NewAccount};
use keyward_types::account::AccountId;

use crate::{
    cli::Place,
    clock::SystemClock,
    config::Config,
    opened::{DataDir, write_new},
};

/// Add accounts, or list them, while the server is stopped
///
/// The accounts of an organization are made by its management account, with `aws organizations
/// create-account`, while the server runs.
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Make an account and an access key of its root user, which is written to a file; the audit
    /// trail records it
    Create(Create),
    /// List the accounts of a data directory
    List(Whole),
}

/// Where a server's data and settings are.
#[derive(Debug, Args)]
pub struct Whole {
    /// The directory that holds everything but, perhaps, the root key
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the root key is [default: DIR/root.key]
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// A Region of the partition that a new account is to live in [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    whole: Whole,
    /// The new account's id: twelve digits [default: random ones]
    #[arg(long, value_name = "ID")]
    account_id: Option<String>,
    /// The new account's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The new account's e-mail address, which no other account may have
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The file for the access key of its root user, in the format of AWS's shared credentials;
    /// it must not exist [default: DIR/credentials-ID]
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The profile that the access key stands under in that file
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
}

impl Whole {
    /// The configuration, and the data directory, which must hold a store.
    fn open(self) -> anyhow::Result<(Config, DataDir)> {
        let place = Place {
            data_dir: self.data_dir,
            config: self.config,
            root_key: self.root_key,
            account_id: None,
            region: self.region,
        };
        let config = place.resolve()?;
        if !config.data_dir.join("store.db").exists() {
            bail!(
                "{} holds no store: run `keyward init` first",
                config.data_dir.display()
            );
        }
        let data = DataDir::lock(&config.data_dir)?;
        Ok((config, data))
    }
}

impl Account {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        match self {
            Self::Create(create) => runtime.block_on(create.run()),
            Self::List(whole) => runtime.block_on(list(whole)),
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let account = match &self.account_id {
            Some(text) => AccountId::parse(text)
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
        let (config, data) = self.whole.open()?;
        let file = self.credentials.unwrap_or_else(|| {
            let name = format!("credentials-{account}");
            config.data_dir.join(name)
        });
        let (arena, _) = Arena::new(config.arena_bytes)?;
        let store = data.store()?;
        let root = data.root_key(&*store, &config.root_key, &arena).await?;
        let new = NewAccount {
            account,
            region: config.region,
            name: self.name,
            email: self.email,
        };
        let first = || {
            let credentials = FirstCredentials::generate(account);
            write_new(
                &file,
                credentials.profile(&self.profile).expose().as_bytes(),
            )?;
            Ok(credentials)
        };
        bootstrap::create_account(store, &root, &arena, &SystemClock::new(), new, first)
            .await
            .with_context(|| format!("account {account} cannot be made"))?;
        println!("Account {account} is made.");
        println!(
            "The access key of its root user is in {}, under the profile {}.",
            file.display(),
            self.profile
        );
        Ok(())
    }
}

async fn list(whole: Whole) -> anyhow::Result<()> {
    let (config, data) = whole.open()?;
    let (arena, _) = Arena::new(config.arena_bytes)?;
    let store = data.store()?;
    let root = data.root_key(&*store, &config.root_key, &arena).await?;
    println!("{:<14}{:<12}{:<22}NAME", "ACCOUNT", "PARTITION", "CREATED");
    for account in bootstrap::accounts(store, &root, &arena).await? {
        println!(
            "{:<14}{:<12}{:<22}{}",
            account.account.as_str(),
            account.partition.as_str(),
            account.created.iso8601(),
            account.name.as_deref().unwrap_or("-")
        );
    }
    Ok(())
}
