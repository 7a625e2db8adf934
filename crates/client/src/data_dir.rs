//! What is in a data directory, seen from outside: whether it holds a store, and what lies beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// The file with the access key of the root user of the first start's account.
pub const ADMIN_CREDENTIALS: &str = "admin-credentials";

/// An empty or missing store next to files that only a store in use leaves behind.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store {} {what}, but {}: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move {} away",
    store.display(),
    there(beside),
    paths(beside)
)]
pub struct NoStoreBeside {
    store: PathBuf,
    what: &'static str,
    beside: Vec<(PathBuf, &'static str)>,
}

/// What the files are.
fn there(beside: &[(PathBuf, &'static str)]) -> String {
    let each = |(path, what): &(PathBuf, &str)| format!("{} holds its {what}", path.display());
    beside.iter().map(each).collect::<Vec<_>>().join(" and ")
}

/// The files by themselves.
fn paths(beside: &[(PathBuf, &'static str)]) -> String {
    let each = |(path, _): &(PathBuf, &str)| path.display().to_string();
    beside.iter().map(each).collect::<Vec<_>>().join(" and ")
}

/// There is no data directory to work on.
#[derive(Debug, thiserror::Error)]
pub enum NoDataDir {
    /// The directory does not exist.
    #[error(
        "there is no data directory {}: check --data-dir; `keyward init` creates a new one",
        .0.display()
    )]
    Missing(PathBuf),
    /// This user may not look whether there is one.
    #[error(
        "this user may not read the data directory {}: run the command as the user that runs the server, or as root",
        .0.display()
    )]
    Unreadable(PathBuf),
    /// The directory was never initialized.
    #[error(
        "the directory {} holds no store: check --data-dir; `keyward init` creates a new one",
        .0.display()
    )]
    NoStore(PathBuf),
    /// The store is missing or empty.
    #[error(transparent)]
    Beside(#[from] NoStoreBeside),
}

/// Whether such a store is missing or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hollow {
    /// There is no file.
    Missing,
    /// The file has no bytes.
    Empty,
}

/// Checks that a directory holds a store; nothing is opened or created.
///
/// # Errors
/// When it does not.
pub fn check(path: &Path) -> anyhow::Result<()> {
    match fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(NoDataDir::Unreadable(path.to_owned()).into());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(NoDataDir::Missing(path.to_owned()).into());
        }
        // A part of the path is a file, for example.
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    }
    if let Some(hollow) = hollow(path)? {
        check_beside(path, hollow).map_err(NoDataDir::from)?;
        return Err(NoDataDir::NoStore(path.to_owned()).into());
    }
    Ok(())
}

/// The file of the store.
pub fn store_file(data_dir: &Path) -> PathBuf {
    data_dir.join("store.db")
}

/// The folder of the audit trail.
pub fn audit(data_dir: &Path) -> PathBuf {
    data_dir.join("audit")
}

/// Whether the store's file is not there, or has no bytes.
///
/// # Errors
/// When the system does not say.
pub fn hollow(data_dir: &Path) -> anyhow::Result<Option<Hollow>> {
    let file = store_file(data_dir);
    match fs::metadata(&file) {
        Ok(found) => Ok((found.len() == 0).then_some(Hollow::Empty)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Hollow::Missing)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => bail!(
            "{} is not a directory: check --data-dir",
            data_dir.display()
        ),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// Refuses a store that holds nothing if there is an audit trail or the credentials of a first start
/// beside it.
///
/// # Errors
/// When there is.
pub fn check_beside(data_dir: &Path, hollow: Hollow) -> Result<(), NoStoreBeside> {
    let mut beside = Vec::new();
    let trail = audit(data_dir);
    let is_segment = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("trail-") && name.ends_with(".jsonl")
    };
    let mut files = fs::read_dir(&trail).into_iter().flatten().flatten();
    if files.any(|file| is_segment(&file.file_name())) {
        beside.push((trail, "audit trail"));
    }
    let credentials = data_dir.join(ADMIN_CREDENTIALS);
    if fs::symlink_metadata(&credentials).is_ok() {
        beside.push((credentials, "root user's access key"));
    }
    if beside.is_empty() {
        return Ok(());
    }
    Err(NoStoreBeside {
        store: store_file(data_dir),
        what: match hollow {
            Hollow::Missing => "is missing",
            Hollow::Empty => "is empty",
        },
        beside,
    })
}
