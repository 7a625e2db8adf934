//! What the first start prints.

use std::{fmt, path::Path};

use keyward_client::data_dir::ADMIN_CREDENTIALS;

use crate::{cli::env::quoted, config::Config};

/// What a first start created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// Whether the root key was created; otherwise it was there already.
    pub root_key: bool,
}

/// Says what was created, what must be kept safe, and what to do next.
pub struct Banner<'a> {
    /// What was created.
    pub created: Created,
    /// The configuration.
    pub config: &'a Config,
    /// The program, as it was called.
    pub program: &'a str,
    /// Whether the server is running; otherwise it has to be started first.
    pub serves: bool,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            data_dir,
            root_key,
            account,
            region,
            ..
        } = self.config;
        let (program, shown) = (quoted(self.program), shell_path(data_dir));
        let new = if self.created.root_key {
            "new"
        } else {
            "was there already"
        };
        writeln!(f, "Keyward created a new server:")?;
        writeln!(f)?;
        writeln!(f, "  data directory  {}", data_dir.display())?;
        writeln!(f, "  account         {account}, default Region {region}")?;
        writeln!(
            f,
            "  credentials     {} (access key of the root user)",
            data_dir.join(ADMIN_CREDENTIALS).display()
        )?;
        writeln!(f, "  root key        {} ({new})", root_key.display())?;
        writeln!(f)?;
        writeln!(
            f,
            "Keep a copy of the root key in another place: without it, nobody can ever read this"
        )?;
        writeln!(
            f,
            "data again. Leave it out of backups of the data directory: the two together open"
        )?;
        writeln!(f, "everything.")?;
        writeln!(f)?;
        if self.serves {
            writeln!(f, "To use the server, paste this into another shell:")?;
        } else {
            writeln!(f, "To start the server:")?;
            writeln!(f)?;
            writeln!(f, "  {program} serve --data-dir {shown}")?;
            writeln!(f)?;
            writeln!(f, "To use it, paste this into another shell:")?;
        }
        writeln!(f)?;
        writeln!(f, "  eval \"$({program} env --data-dir {shown})\"")?;
        writeln!(f, "  aws sts get-caller-identity")
    }
}

/// A path as a shell reads it.
pub fn shell_path(path: &Path) -> String {
    quoted(&path.to_string_lossy()).into_owned()
}

/// The program, as it was called.
pub fn program() -> String {
    let called = std::env::args_os().next();
    called.map_or_else(
        || "keyward".to_owned(),
        |called| called.to_string_lossy().into_owned(),
    )
}
