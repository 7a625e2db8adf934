//! Why a configuration cannot be used. An error names the key, the value and the remedy.

use keyward_client::config::FileError;

/// An error: which key, which value, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` is `{value}`: {remedy}")]
pub struct Refused {
    key: &'static str,
    value: String,
    remedy: String,
}

pub(super) fn refuse(
    key: &'static str,
    value: impl ToString,
    remedy: impl Into<String>,
) -> Refused {
    Refused {
        key,
        value: value.to_string(),
        remedy: remedy.into(),
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nothing says where the data is.
    #[error(
        "no data directory is given: use --data-dir DIR, or `data_dir` in the configuration file"
    )]
    NoDataDir,
    /// A value is not valid.
    #[error(transparent)]
    Refused(#[from] Refused),
}
