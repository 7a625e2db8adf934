//! `keyward mount`

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_host::door::{Request, ask};
use keyward_types::storage::VolumeId;

use super::agent::StateDir;
use crate::out::say;

const EXAMPLES: &str = "\
Examples:
  keyward mount fs-0123456789abcdef0 /mnt/shared
  keyward mount fs-0123456789abcdef0 /mnt/shared --read-only
  keyward mount fs-0123456789abcdef0 /mnt/shared --state-dir /var/lib/keyward/agent # serve --agent

Environment:
  KEYWARD_AGENT_STATE_DIR: the same as --state-dir.";

/// Mount a file system on the machine whose agent stores it, without NFS
///
/// The file system stays mounted on the directory until `keyward unmount`: the agent mounts it again after a restart. While the file system is cut off, the directory is empty and nobody can write to it. What was in the directory before is hidden while something is mounted there. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Mount {
    /// The file system, such as fs-0123456789abcdef0
    #[arg(value_name = "FILE_SYSTEM")]
    file_system: String,
    /// The directory to mount it on
    dir: PathBuf,
    /// Mount it read-only
    #[arg(long)]
    read_only: bool,
    /// Mount the directory of this access point. It is created if the access point says how
    #[arg(long, value_name = "ID")]
    access_point: Option<String>,
    #[command(flatten)]
    state: StateDir,
}

/// Refuses what nothing can be mounted on, and says what to do.
///
/// # Errors
/// If it is not a directory.
pub fn must_be_directory(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => bail!(
            "{shown} is a file, and a file system is mounted on a directory: name another path, or move the file away"
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{shown} does not exist: create it with `mkdir -p {shown}`")
        }
        Err(error) => Err(error).with_context(|| format!("cannot open {shown}")),
    }
}

/// Whether a path looks like the ID of a file system, and not like a path.
pub fn is_file_system(path: &Path) -> bool {
    let id = path.to_str().and_then(|id| VolumeId::parse(id).ok());
    id.is_some() && !path.exists()
}

impl Mount {
    pub fn run(self) -> anyhow::Result<()> {
        if !rustix::process::geteuid().is_root() {
            bail!("mounting needs root: run it with sudo");
        }
        let shown = self.dir.display();
        if is_file_system(&self.dir) && self.file_system.contains('/') {
            bail!(
                "the file system comes first, then the directory: `keyward mount {shown} {}`",
                self.file_system
            );
        }
        must_be_directory(&self.dir)?;
        let dir = fs::canonicalize(&self.dir).with_context(|| format!("cannot open {shown}"))?;
        // Nobody can be asked while it is hidden.
        let hides = fs::read_dir(&dir).is_ok_and(|mut found| found.next().is_some());
        let shown = dir.display().to_string();
        let request = Request::Mount {
            volume: self.file_system,
            dir,
            read_only: self.read_only,
            access_point: self.access_point,
        };
        let said = ask(&self.state.state_dir, &request)?;
        if hides {
            writeln!(
                io::stderr(),
                "note: {shown} was not empty: what is in it is hidden until `keyward unmount {shown}`"
            )?;
        }
        Ok(say!("{said}")?)
    }
}
