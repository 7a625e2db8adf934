//! `keyward volume detach`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_keeper::state::StateArgs;

use super::STATE;
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward volume detach /mnt/customers
  keyward volume detach customers.img --force

Environment:
  {STATE}"
    )
}

/// Unmount a volume, close it and wipe its keys
///
/// Writes everything first. If the volume is in use, it says by which processes, and changes nothing. A
/// volume that is cut off does not come back. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Detach {
    /// The directory that it is mounted on, or its image
    #[arg(value_name = "DIR|IMAGE")]
    target: PathBuf,
    /// Cut the volume off even if it is in use: data that is not on disk yet is lost. Also cleans up after a
    /// volume's process that was killed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    state: StateArgs,
}

impl Detach {
    pub fn run(self) -> anyhow::Result<()> {
        if !rustix::process::geteuid().is_root() {
            bail!("detaching needs root: run it with sudo");
        }
        let shown = self.target.display();
        let found = self.state.states()?.find_by_path(&self.target)?;
        let found = found.with_context(|| {
            format!("no volume is attached at {shown} or from it: give the directory or the image as it was given to `keyward volume attach`, and the same --state-dir")
        })?;
        if self.force {
            Ok(say!("{}", found.detach_by_force()?)?)
        } else {
            Ok(say!("{}", found.detach_cleanly()?)?)
        }
    }
}
