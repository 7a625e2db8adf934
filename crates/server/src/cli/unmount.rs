//! `keyward unmount`

use std::{
    path::{PathBuf, absolute},
    sync::Arc,
};

use anyhow::bail;
use clap::Args;
use keyward_agent::layout::Layout;
use keyward_host::{
    door::{Request, ask_or},
    local::{LocalMounts, unmounted},
};
use keyward_keeper::{identity::Identity, state::States};

use super::{agent::StateDir, mount::is_file_system};
use crate::out::say;

const EXAMPLES: &str = "\
Examples:
  keyward unmount /mnt/shared
  keyward unmount /mnt/shared --state-dir /var/lib/keyward/agent    # serve --agent

Environment:
  KEYWARD_AGENT_STATE_DIR: the same as --state-dir.";

/// Unmount what `keyward mount` has mounted
///
/// The file system stays where it is, and available. This also works when another agent stores the file system by now, and
/// when no agent runs. Needs root.
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
        if is_file_system(&self.dir) {
            bail!(
                "`keyward unmount` takes the directory that {0} is mounted on, such as /mnt/shared, not {0} itself: `findmnt` lists what is mounted",
                self.dir.display()
            );
        }
        // Resolving may fail where a file system is dead.
        let dir = match std::fs::canonicalize(&self.dir) {
            Ok(dir) => dir,
            Err(_) => absolute(&self.dir)?,
        };
        let state_dir = &self.state.state_dir;
        let request = Request::Unmount { dir: dir.clone() };
        // An agent that was removed cannot be started again, and what it has left must go all the same.
        let without = || {
            let Some(layout) = Layout::existing(state_dir)? else {
                return Ok(None);
            };
            let Some(identity) = Identity::read(&layout.credentials())? else {
                return Ok(None);
            };
            let _alone = layout.lock()?;
            let states = States::within(&layout.keepers());
            let notes = Arc::new(identity.note_key());
            let volume = LocalMounts::new(layout, notes, states).take_away(&dir)?;
            Ok(Some(unmounted(volume.as_ref(), &dir)))
        };
        Ok(say!("{}", ask_or(state_dir, &request, without)?)?)
    }
}
