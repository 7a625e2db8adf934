//! What a data directory remembers of its server, in `environment.toml`: where it listens, and
//! settings that later starts and commands need not repeat.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};

/// The file's name.
pub const FILE: &str = "environment.toml";

/// What is remembered. Every start writes the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The URL for clients.
    pub endpoint: String,
    /// The default Region.
    pub region: String,
    /// The account that the first start created.
    pub account_id: String,
    /// Where the root key is, if it is not in the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<PathBuf>,
}

impl Remembered {
    /// Reads the file of a data directory, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, or has been damaged.
    pub fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                bail!(
                    "{} is not a directory: check --data-dir",
                    data_dir.display()
                );
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", path.display()));
            }
        };
        let remembered = toml::from_str(&text).map_err(|error| {
            anyhow!(
                "{} is not as Keyward wrote it: repair it, or put it back from a backup: {}",
                path.display(),
                error.to_string().trim_end()
            )
        })?;
        Ok(Some(remembered))
    }

    /// The file's text.
    ///
    /// # Errors
    /// When the root key's path is not UTF-8.
    pub fn render(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("the path of the root key is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(root_key: Option<&str>) -> Remembered {
        Remembered {
            endpoint: "http://127.0.0.1:5670".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            root_key: root_key.map(PathBuf::from),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Remembered::read(home.path()).unwrap(), None);
        for root_key in [None, Some("/etc/key \"ward\"/root.key")] {
            let written = remembered(root_key);
            fs::write(home.path().join(FILE), written.render().unwrap()).unwrap();
            assert_eq!(Remembered::read(home.path()).unwrap(), Some(written));
        }
    }
}
