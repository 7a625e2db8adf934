//! What a command that left a server stopped says about how to go on.

use std::{
    fmt,
    path::{Path, PathBuf, absolute},
};

use keyward_client::remembered::Remembered;

use crate::{
    cli::{
        env::quoted,
        first_start::{program, shell_path},
    },
    config::Config,
    out::{OutError, say},
};

/// To start the server.
pub const START: &str = "Next: start the server.";

/// How somebody uses the credentials in a file, once the server runs.
#[derive(Debug)]
pub struct UseFile<'a> {
    /// The file, in the format of AWS's shared credentials file.
    pub file: &'a Path,
    /// The profile in it.
    pub profile: &'a str,
    /// The server.
    pub config: &'a Config,
}

/// What is pasted into a shell.
struct Lines<'a> {
    file: PathBuf,
    profile: &'a str,
    endpoint: Option<String>,
    region: &'a str,
}

impl UseFile<'_> {
    /// Prints it.
    ///
    /// # Errors
    /// When what the data directory remembers cannot be read, or nothing more can be printed.
    pub fn say(&self) -> anyhow::Result<()> {
        let remembered = Remembered::read(&self.config.data_dir)?;
        let lines = Lines {
            file: absolute(self.file)?,
            profile: self.profile,
            endpoint: remembered.map(|remembered| remembered.endpoint),
            region: self.config.region.as_str(),
        };
        say!("\n{START} To use the access key, paste this into a shell:\n")?;
        Ok(say!("{lines}")?)
    }
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (profile, region) = (quoted(self.profile), self.region);
        // They would go before the file.
        writeln!(
            f,
            "  unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
        )?;
        writeln!(
            f,
            "  export AWS_SHARED_CREDENTIALS_FILE={} AWS_PROFILE={profile}",
            shell_path(&self.file)
        )?;
        if let Some(endpoint) = &self.endpoint {
            writeln!(f, "  export AWS_ENDPOINT_URL={}", quoted(endpoint))?;
        }
        writeln!(
            f,
            "  export AWS_REGION={region} AWS_DEFAULT_REGION={region}"
        )?;
        write!(f, "  aws sts get-caller-identity")
    }
}

/// Prints how somebody uses the first account's new root credentials.
///
/// # Errors
/// When nothing more can be printed.
pub fn use_env(data_dir: &Path) -> Result<(), OutError> {
    let program = program();
    say!("\n{START} To use the access key, paste this into a shell:\n")?;
    say!(
        "  eval \"$({} env --data-dir {})\"\n  aws sts get-caller-identity",
        quoted(&program),
        shell_path(data_dir)
    )
}
