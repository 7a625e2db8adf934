//! `keyward agent backup`, `keyward agent backups` and `keyward agent restore`

use anyhow::bail;
use clap::Args;

use super::StateDir;
use keyward_host::door::{Request, ask};

use crate::out::say;

const ENVIRONMENT: &str = "\
Environment:
  KEYWARD_AGENT_STATE_DIR: the same as --state-dir.";

fn after_backup() -> String {
    format!(
        "Examples:
  keyward agent backup fs-0123456789abcdef0
  keyward agent backup fs-0123456789abcdef0 --state-dir /var/lib/keyward/agent    # serve --agent

{ENVIRONMENT}"
    )
}

fn after_backups() -> String {
    format!(
        "Examples:
  keyward agent backups
  keyward agent backups fs-0123456789abcdef0

{ENVIRONMENT}"
    )
}

fn after_restore() -> String {
    format!(
        "Examples:
  keyward agent restore fs-0123456789abcdef0
  keyward agent restore fs-0123456789abcdef0 --backup scheduled-20261130T050000Z
  keyward agent restore fs-0123456789abcdef0 --danger-accept-rollback

{ENVIRONMENT}"
    )
}

/// Back up a file system now
///
/// The agent of this machine makes the backup where its --backup-to says, and reads it back. It stays until somebody removes
/// it, with `keyward volume copies --remove`: only backups that the schedule makes expire. The file system must be
/// available; its backup policy does not matter. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_backup())]
pub struct Backup {
    /// The file system's ID
    file_system: String,
    #[command(flatten)]
    state: StateDir,
}

/// List the backups of file systems
///
/// Lists all backups where the --backup-to of this machine's agent says, also those that other agents have made and
/// those of deleted file systems, and says of which file systems of this agent the last attempt has failed. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_backups())]
pub struct Backups {
    /// The file system's ID [default: all]
    file_system: Option<String>,
    #[command(flatten)]
    state: StateDir,
}

/// Restore a file system on this machine from a backup when its image is lost
///
/// The file system must be assigned to this machine's agent, and have no image here. It becomes available by itself, when its
/// KMS key can be used. Everything that was written after the backup is lost, so a backup that is older than what is known of
/// the file system is refused without --danger-accept-rollback: than the image that this machine has attached last, or than
/// the newest backup that the server knows of. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_restore())]
pub struct Restore {
    /// The file system's ID
    file_system: String,
    /// The backup, as `keyward agent backups` lists it [default: the newest one]
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Accept a backup that is older than what is known of the file system. Everything written since then is lost
    #[arg(long)]
    danger_accept_rollback: bool,
    #[command(flatten)]
    state: StateDir,
}

impl Backup {
    pub fn run(self) -> anyhow::Result<()> {
        let request = Request::BackUp {
            volume: self.file_system,
        };
        answer(&self.state, &request)
    }
}

impl Backups {
    pub fn run(self) -> anyhow::Result<()> {
        let request = Request::Backups {
            volume: self.file_system,
        };
        answer(&self.state, &request)
    }
}

impl Restore {
    pub fn run(self) -> anyhow::Result<()> {
        let request = Request::Restore {
            volume: self.file_system,
            backup: self.backup,
            accept_rollback: self.danger_accept_rollback,
        };
        answer(&self.state, &request)
    }
}

fn answer(state: &StateDir, request: &Request) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root can ask the agent: run the command with sudo");
    }
    Ok(say!("{}", ask(&state.state_dir, request)?)?)
}
