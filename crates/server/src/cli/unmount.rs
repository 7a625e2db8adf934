//! `keyward unmount`

use std::path::{PathBuf, absolute};

use anyhow::bail;
use clap::Args;

use super::agent::StateDir;
use keyward_host::door::{Request, ask};

use crate::out::say;

const EXAMPLES: &str = "\
Examples:
  keyward unmount /mnt/shared
  keyward unmount /mnt/shared --state-dir /var/lib/keyward/agent    # serve --agent

Environment:
  KEYWARD_AGENT_STATE_DIR is a directory as --state-dir is.";

/// Unmount what `keyward mount` has mounted
///
/// The file system stays where it is, and available. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Unmount {
    /// The directory that it is mounted on
    dir: PathBuf,
    #[command(flatten)]
    state: StateDir,
}

impl Unmount {
    pub fn run(self) -> anyhow::Result<()> {
        if !rustix::process::geteuid().is_root() {
            bail!("unmounting needs root: run it with sudo");
        }
        // Resolving may fail where a file system is dead.
        let dir = match std::fs::canonicalize(&self.dir) {
            Ok(dir) => dir,
            Err(_) => absolute(&self.dir)?,
        };
        let request = Request::Unmount { dir };
        Ok(say!("{}", ask(&self.state.state_dir, &request)?)?)
    }
}
