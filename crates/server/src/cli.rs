//! The command line.
//!
//! A command's help is the documentation of its type, and its examples follow in `after_long_help`.
//! Types that several commands flatten have plain comments instead: their documentation would take
//! the place of the command's.

mod account;
mod agent;
mod audit;
mod cde;
mod cdp;
pub mod completions;
pub mod env;
mod first_start;
mod init;
mod k8s_plugin;
mod key;
mod mount;
mod next;
mod policy;
mod serve;
mod service;
mod stopped;
mod store;
mod unmount;
mod volume;

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgGroup, Args, Parser, Subcommand};
use keyward_client::remembered::Remembered;

use crate::config::{Config, RawConfig};

/// The version, and the commit that it was built from.
const VERSION: &str = env!("KEYWARD_VERSION");

/// The width of the help, in columns.
const WIDTH: usize = 100;

const EXAMPLES: &str = "\
Quick start:
  keyward serve --data-dir /var/lib/keyward          # the first start creates everything
  eval \"$(keyward env --data-dir /var/lib/keyward)\"  # in another shell
  aws kms create-key

`keyward COMMAND --help` shows details, examples and environment variables; -h is shorter.";

/// Key management and encryption at rest with the APIs of AWS
///
/// Keyward serves AWS KMS, IAM, STS, Organizations, EFS and RDS on your own machines. The AWS CLI and every AWS
/// SDK work with it unmodified. Every request is authenticated (Signature Version 4), authorized as
/// AWS would decide, and recorded before it is answered.
#[derive(Debug, Parser)]
#[command(name = "keyward", version = VERSION, max_term_width = WIDTH, after_long_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Init(init::Init),
    Env(env::Env),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Account(account::Account),
    #[command(subcommand)]
    Service(service::Service),
    #[command(subcommand)]
    Agent(agent::Agent),
    #[command(subcommand)]
    Cdp(cdp::Cdp),
    #[command(subcommand)]
    Cde(cde::Cde),
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Store(store::Store),
    #[command(subcommand)]
    Volume(volume::Volume),
    Mount(mount::Mount),
    Unmount(unmount::Unmount),
    K8sPlugin(k8s_plugin::K8sPlugin),
    Completions(completions::Completions),
}

/// One of these says where the data directory is, and every command that needs one shows that.
fn data_dir_group() -> ArgGroup {
    ArgGroup::new("where")
        .args(["data_dir", "config"])
        .required(true)
        .multiple(true)
}

// Where a server's data and settings are, or will be created.
#[derive(Clone, Debug, Default, Args)]
#[command(group = data_dir_group())]
pub struct ServerPlace {
    /// The directory that holds everything, except the root key if that is stored elsewhere
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration file (TOML; docs/configuration.md lists its keys). Flags override it. With a
    /// `data_dir` in it, --data-dir is not needed
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the root key is, or will be created. The data directory remembers it
    /// [default: DIR/root.key]
    #[arg(long, value_name = "FILE")]
    pub root_key: Option<PathBuf>,
    /// The account that the first start creates. The data directory remembers it
    /// [default: 000000000000]
    #[arg(long, value_name = "ID")]
    pub account_id: Option<String>,
    /// The default Region. All Regions of its partition are served unless the configuration file
    /// says otherwise. The data directory remembers it [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

// Where the data and settings of a server are that was started before.
#[derive(Clone, Debug, Args)]
#[command(group = data_dir_group())]
pub struct Existing {
    /// The directory that holds everything, except the root key if that is stored elsewhere
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration file. With a `data_dir` in it, --data-dir is not needed. Flags override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the root key is [default: where it was at the last start]
    #[arg(long, value_name = "FILE")]
    pub root_key: Option<PathBuf>,
}

impl Existing {
    /// The place, with the account and the Region that the data directory remembers.
    pub fn place(self) -> ServerPlace {
        ServerPlace {
            data_dir: self.data_dir,
            config: self.config,
            root_key: self.root_key,
            ..ServerPlace::default()
        }
    }
}

impl ServerPlace {
    /// The file's settings, with these flags before them and what the data directory remembers
    /// after them.
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
        let remembered = match &raw.data_dir {
            Some(data_dir) => Remembered::read(data_dir)?,
            None => None,
        };
        let (old_key, old_account, old_region) = match remembered {
            Some(old) => (old.root_key, Some(old.account_id), Some(old.region)),
            None => (None, None, None),
        };
        raw.root_key = root_key.or(raw.root_key).or(old_key);
        raw.account_id = account_id.or(raw.account_id).or(old_account);
        raw.region = region.or(raw.region).or(old_region);
        Ok(raw)
    }

    /// The resolved configuration.
    pub fn resolve(&self) -> anyhow::Result<Config> {
        Ok(Config::resolve(self.raw()?)?)
    }
}

impl Cli {
    /// What to do if the system denies what the command needs, as it follows what the system says.
    pub fn if_denied(&self) -> &'static str {
        match self.command {
            Command::Volume(_) if !rustix::process::geteuid().is_root() => {
                ": run the command with sudo, or as the user that the file or directory belongs to"
            }
            Command::Volume(_) => ": correct the permissions",
            _ => ": run the command as the user that runs the server, or correct the permissions",
        }
    }

    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Policy(policy) => return policy.run(),
            Command::Volume(volume) => return volume.run(),
            Command::Agent(agent) => return agent.run(),
            Command::Cdp(cdp) => cdp.run()?,
            Command::Cde(cde) => cde.run()?,
            Command::Mount(mount) => mount.run()?,
            Command::Unmount(unmount) => unmount.run()?,
            Command::K8sPlugin(plugin) => plugin.run()?,
            Command::Serve(serve) => serve.run()?,
            Command::Init(init) => init.run()?,
            Command::Key(key) => key.run()?,
            Command::Account(account) => account.run()?,
            Command::Env(env) => env.run()?,
            Command::Store(store) => store.run()?,
            Command::Service(service) => service.run()?,
            Command::Audit(audit) => audit.run()?,
            Command::Completions(completions) => completions.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// What follows the help is broken into lines by hand, and a longer line would be broken once more, which looks ragged.
    #[test]
    fn what_follows_the_help_of_a_command_fits_its_width() {
        let mut commands = vec![Cli::command()];
        let mut long = Vec::new();
        while let Some(command) = commands.pop() {
            let help = command.get_after_long_help().map(ToString::to_string);
            let lines = help.iter().flat_map(|help| help.lines());
            let lines = lines.filter(|line| line.chars().count() > WIDTH);
            long.extend(lines.map(|line| format!("{}: {line}", command.get_name())));
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(long.is_empty(), "{long:#?}");
    }
}
