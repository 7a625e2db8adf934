//! `keyward agent adopt`

use std::{fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{OF_STATE, StateDir};
use keyward_host::door::{Request, ask};

use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward agent adopt fs-0123456789abcdef0 /var/lib/keyward-agent/brought.img
  keyward agent adopt fs-0123456789abcdef0    # the image is in volumes/ of the state directory
  keyward agent adopt fs-0123456789abcdef0 --danger-accept-rollback

{OF_STATE}"
    )
}

/// Use an image that was brought to this machine as that of a file system
///
/// The file system must be assigned to this machine's agent (`keyward agent assign`), and another agent must have stored
/// it before. The image is moved into the state directory, and is checked: it must have the file system's data key. Make sure
/// that it is the newest one: what was written to another copy is not in it. An encrypted image that is older than the one that
/// this machine has attached last, or than the newest backup that the server knows of, is refused without
/// --danger-accept-rollback. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Adopt {
    /// The file system, such as fs-0123456789abcdef0
    #[arg(value_name = "FILE_SYSTEM")]
    file_system: String,
    /// The image, on the disk of the state directory [default: the one that is in volumes/ already]
    image: Option<PathBuf>,
    /// Accept an image that is older than what is known of the file system. What is only in a newer one is lost
    #[arg(long)]
    danger_accept_rollback: bool,
    #[command(flatten)]
    state: StateDir,
}

impl Adopt {
    pub fn run(self) -> anyhow::Result<()> {
        if !rustix::process::geteuid().is_root() {
            bail!("this needs root: run it with sudo");
        }
        let resolved = |path: PathBuf| {
            fs::canonicalize(&path).with_context(|| format!("cannot open {}", path.display()))
        };
        let request = Request::Adopt {
            volume: self.file_system,
            image: self.image.map(resolved).transpose()?,
            accept_rollback: self.danger_accept_rollback,
        };
        Ok(say!("{}", ask(&self.state.state_dir, &request)?)?)
    }
}
