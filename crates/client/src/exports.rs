//! What a client learns from a data directory: where the server is, and the root user's
//! credentials.

use std::{fs, io, path::Path};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use crate::{
    aws::{Credentials, ProfileFile},
    data_dir::{self, ADMIN_CREDENTIALS},
    remembered::Remembered,
};

/// What to do if the root user's access key is lost.
const REPLACE: &str =
    "stop the server, and run `keyward init --new-root-credentials` for a new one";

/// Points a client at the server of a data directory, as the account's root user.
#[derive(Debug)]
pub struct Exports {
    /// The server's URL.
    pub endpoint: String,
    /// The default Region.
    pub region: String,
    /// The root user's access key.
    pub credentials: Credentials,
}

/// Where the server of a data directory is.
///
/// # Errors
/// If it was never started.
pub fn endpoint(data_dir: &Path) -> anyhow::Result<String> {
    Ok(remembered(data_dir)?.endpoint)
}

fn remembered(data_dir: &Path) -> anyhow::Result<Remembered> {
    data_dir::check(data_dir)?;
    Remembered::read(data_dir)?.with_context(|| {
        format!(
            "the server of {} has not been started yet: run `keyward serve`",
            data_dir.display()
        )
    })
}

impl Exports {
    /// Reads it from the data directory.
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let remembered = remembered(data_dir)?;
        let path = data_dir.join(ADMIN_CREDENTIALS);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} is missing: {REPLACE}", path.display());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", path.display()));
            }
        };
        let file = ProfileFile::new(Zeroizing::new(text));
        let value = |key: &str| {
            file.value("default", key)
                .with_context(|| format!("{} has no {key}: {REPLACE}", path.display()))
        };
        Ok(Self {
            endpoint: remembered.endpoint,
            region: remembered.region,
            credentials: Credentials {
                access_key_id: value("aws_access_key_id")?.to_owned(),
                secret: Zeroizing::new(value("aws_secret_access_key")?.to_owned()),
                session_token: None,
            },
        })
    }
}
