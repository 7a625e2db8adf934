//! The data directory, opened by one process: its lock, its store, its root key.
//!
//! [`DataDir::create`] is for what may begin a new one. Everything else opens one that is there, and
//! creates nothing in it: a mistyped path is told, and leaves no trace.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use keyward_crypto::secret::arena::Arena;
use keyward_keys::root_key::{RootKey, RootKeyError};
use keyward_services::bootstrap::{self, FirstCredentials};
use keyward_store::{
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};

use crate::{
    config::{self, Config},
    remembered::{self, Remembered},
};

/// The file with the access key of the root user of the first start's account.
pub const ADMIN_CREDENTIALS: &str = "admin-credentials";

/// A data directory that this process has alone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// A store that holds nothing lies beside an audit trail that knows one that does.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store {} {what}, but {} holds its audit trail: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move the trail away",
    store.display(),
    trail.display()
)]
pub struct NoStoreBesideTrail {
    store: PathBuf,
    what: &'static str,
    trail: PathBuf,
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
    /// The directory was never initialized.
    #[error(
        "the directory {} holds no store: check --data-dir; `keyward init` creates a new one",
        .0.display()
    )]
    NoStore(PathBuf),
    /// The store is gone, or holds nothing.
    #[error(transparent)]
    BesideTrail(#[from] NoStoreBesideTrail),
}

/// How a store that holds nothing is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hollow {
    Missing,
    Empty,
}

impl DataDir {
    /// Takes a directory that may be a new one; it is created if it is not there.
    ///
    /// # Errors
    /// When it cannot be created or is in use, and when an audit trail lies in it without its store.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot create the data directory {}", path.display()))?;
        if let Some(hollow) = hollow(path)? {
            beside_trail(path, hollow)?;
        }
        Self::lock(path)
    }

    /// Takes a directory that holds a store. Nothing is created in one that does not.
    ///
    /// # Errors
    /// When it does not exist, holds no store, or is in use.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        check(path)?;
        Self::lock(path)
    }

    fn lock(path: &Path) -> anyhow::Result<Self> {
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .and_then(|lock| {
                // One that was there before may be open to others.
                lock.set_permissions(Permissions::from_mode(0o600))?;
                Ok(lock)
            });
        let lock = lock.with_context(|| format!("{} cannot be opened", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(fs::TryLockError::WouldBlock) => bail!(
                "the data directory {} is in use by another keyward process: stop it first",
                path.display()
            ),
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", lock_path.display()))
            }
        }
    }

    /// The store.
    ///
    /// # Errors
    /// When it cannot be opened, or holds nothing though there is an audit trail.
    pub async fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        let file = store_file(&self.path);
        let store = Sqlite::open(SqliteOptions::new(&file))
            .with_context(|| format!("the store {} cannot be opened", file.display()))?;
        if bootstrap::is_empty(&store).await? {
            beside_trail(&self.path, Hollow::Empty)?;
        }
        Ok(Arc::new(store))
    }

    /// The directory of the audit trail.
    pub fn audit(&self) -> PathBuf {
        audit(&self.path)
    }

    /// The root key of a store.
    ///
    /// # Errors
    /// When it is not where it should be, or is not valid.
    pub fn root_key(&self, path: &Path, arena: &Arena) -> anyhow::Result<RootKey> {
        match RootKey::open(path, arena) {
            Ok(key) => Ok(key),
            Err(RootKeyError::Missing(path)) => bail!(
                "there is no root key at {}, and the store cannot be opened without it: put it back, or say where it is with --root-key",
                path.display()
            ),
            Err(error) => Err(error.into()),
        }
    }

    /// The root key of a store that may be new; created only if the store is empty and there is
    /// none. Answers whether it was.
    ///
    /// # Errors
    /// As [`root_key`](Self::root_key), and when a new one cannot be written.
    pub async fn root_key_or_new(
        &self,
        store: &dyn Store,
        path: &Path,
        arena: &Arena,
    ) -> anyhow::Result<(RootKey, bool)> {
        if path.exists() || !bootstrap::is_empty(store).await? {
            return Ok((self.root_key(path, arena)?, false));
        }
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .with_context(|| format!("cannot create {} for the root key", parent.display()))?;
        }
        Ok((RootKey::create(path, arena)?, true))
    }

    /// The file for the credentials of an account or a service, unless another is chosen.
    pub fn credentials(&self, name: &str) -> PathBuf {
        self.path.join(format!("credentials-{name}"))
    }

    /// The file with the credentials of the account of the first start.
    pub fn admin_credentials(&self) -> PathBuf {
        self.path.join(ADMIN_CREDENTIALS)
    }

    /// Writes credentials to a file in the format that the AWS tools read, for the owner only.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_profile(&self, file: &Path, credentials: &FirstCredentials) -> io::Result<()> {
        let text = credentials.profile("default");
        let directory = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
        write_private(directory, name, text.expose().as_bytes())
    }

    /// Has the directory remember what later starts and commands need.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remember(&self, endpoint: &str, config: &Config) -> anyhow::Result<()> {
        let before = Remembered::read(&self.path)?;
        let account_id = before.map(|before| before.account_id);
        let remembered = Remembered {
            endpoint: endpoint.to_owned(),
            region: config.region.to_string(),
            account_id: account_id.unwrap_or_else(|| config.account.to_string()),
            root_key: root_key_elsewhere(config)?,
        };
        write_private(
            &self.path,
            remembered::FILE,
            remembered.render()?.as_bytes(),
        )
        .with_context(|| {
            format!(
                "{} cannot be written",
                self.path.join(remembered::FILE).display()
            )
        })
    }
}

/// Where the root key is, unless it is in the data directory, which may be moved with it.
fn root_key_elsewhere(config: &Config) -> io::Result<Option<PathBuf>> {
    let path = std::path::absolute(&config.root_key)?;
    let usual = std::path::absolute(config.data_dir.join(config::ROOT_KEY))?;
    Ok((path != usual).then_some(path))
}

/// Checks that a directory holds a store; nothing is opened or created.
///
/// # Errors
/// When it does not.
pub fn check(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return Err(NoDataDir::Missing(path.to_owned()).into());
    }
    if let Some(hollow) = hollow(path)? {
        beside_trail(path, hollow).map_err(NoDataDir::from)?;
        return Err(NoDataDir::NoStore(path.to_owned()).into());
    }
    Ok(())
}

fn store_file(data_dir: &Path) -> PathBuf {
    data_dir.join("store.db")
}

fn audit(data_dir: &Path) -> PathBuf {
    data_dir.join("audit")
}

/// Whether the store's file is not there, or has no bytes.
fn hollow(data_dir: &Path) -> anyhow::Result<Option<Hollow>> {
    let file = store_file(data_dir);
    match fs::metadata(&file) {
        Ok(found) => Ok((found.len() == 0).then_some(Hollow::Empty)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Hollow::Missing)),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// Refuses a store that holds nothing if there is an audit trail beside it.
fn beside_trail(data_dir: &Path, hollow: Hollow) -> Result<(), NoStoreBesideTrail> {
    let trail = audit(data_dir);
    let is_segment = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("trail-") && name.ends_with(".jsonl")
    };
    let mut files = fs::read_dir(&trail).into_iter().flatten().flatten();
    if files.any(|file| is_segment(&file.file_name())) {
        return Err(NoStoreBesideTrail {
            store: store_file(data_dir),
            what: match hollow {
                Hollow::Missing => "is missing",
                Hollow::Empty => "is empty",
            },
            trail,
        });
    }
    Ok(())
}

/// Writes a file that does not exist yet, mode 0600, on disk before it answers.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Writes a file whole or not at all, mode 0600, on disk before it answers.
fn write_private(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = directory.join(format!(".{name}.tmp"));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, directory.join(name))?;
    File::open(directory)?.sync_all()
}
