//! The command line.

mod account;
mod audit;
pub mod env;
mod init;
mod policy;
mod serve;
mod service;
mod stopped;
mod store;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, RawConfig};

/// Key management and encryption at rest that speaks AWS.
///
/// Unmodified AWS clients work against `keyward serve`: every request is authenticated with
/// Signature Version 4, authorized as AWS would decide, and recorded before it is answered.
#[derive(Debug, Parser)]
#[command(name = "keyward", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve KMS, IAM, STS and Organizations; the first start initialises the data directory
    Serve(serve::Serve),
    /// Initialise a data directory without serving, or give its root user new credentials
    Init(init::Init),
    /// Add accounts, or list them, while the server is stopped
    #[command(subcommand)]
    Account(account::Account),
    /// Print shell exports that point AWS clients at this server
    Env(env::Env),
    /// Look after the store while the server is stopped
    #[command(subcommand)]
    Store(store::Store),
    /// Give credentials to services that act for callers, while the server is stopped
    #[command(subcommand)]
    Service(service::Service),
    /// Check the audit trail
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Policy(policy::Policy),
}

/// Where a server's data and settings are.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The directory that holds everything but, perhaps, the root key
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration file (TOML; docs/configuration.md lists its keys); flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the root key is or is to be; it may lie outside the data directory
    /// [default: DIR/root.key]
    #[arg(long, value_name = "FILE")]
    pub root_key: Option<PathBuf>,
    /// The account that the first start makes [default: 000000000000]
    #[arg(long, value_name = "ID")]
    pub account_id: Option<String>,
    /// The default Region; all Regions of its partition are served unless the file says otherwise
    /// [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

impl Place {
    /// The file's settings with these flags over them.
    pub fn raw(&self) -> anyhow::Result<RawConfig> {
        let mut raw = match &self.config {
            Some(path) => RawConfig::read(path)?,
            None => RawConfig::default(),
        };
        let Self {
            data_dir,
            config: _,
            root_key,
            account_id,
            region,
        } = self.clone();
        raw.data_dir = data_dir.or(raw.data_dir);
        raw.root_key = root_key.or(raw.root_key);
        raw.account_id = account_id.or(raw.account_id);
        raw.region = region.or(raw.region);
        Ok(raw)
    }

    /// The resolved configuration.
    pub fn resolve(&self) -> anyhow::Result<Config> {
        Ok(self.raw()?.resolve()?)
    }
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Policy(policy) => return policy.run(),
            Command::Serve(serve) => serve.run()?,
            Command::Init(init) => init.run()?,
            Command::Account(account) => account.run()?,
            Command::Env(env) => env.run()?,
            Command::Store(store) => store.run()?,
            Command::Service(service) => service.run()?,
            Command::Audit(audit) => audit.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
