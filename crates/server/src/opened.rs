//! The data directory, opened by one process: its lock, its store, its root key.

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
use keyward_types::{account::AccountId, region::Region};

/// A data directory that this process has alone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the directory, made if it is not there.
    pub fn lock(path: &Path) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("the data directory {} cannot be made", path.display()))?;
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
    pub fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        let file = self.path.join("store.db");
        let store = Sqlite::open(SqliteOptions::new(&file))
            .with_context(|| format!("the store {} cannot be opened", file.display()))?;
        Ok(Arc::new(store))
    }

    /// The directory of the audit trail.
    pub fn audit(&self) -> PathBuf {
        self.path.join("audit")
    }

    /// The root key; made only if the store is empty and there is none.
    pub async fn root_key(
        &self,
        store: &dyn Store,
        path: &Path,
        arena: &Arena,
    ) -> anyhow::Result<RootKey> {
        match RootKey::open(path, arena) {
            Ok(key) => Ok(key),
            Err(RootKeyError::Missing(_)) if bootstrap::is_empty(store).await? => {
                Ok(RootKey::create(path, arena)?)
            }
            Err(RootKeyError::Missing(path)) => bail!(
                "there is no root key at {}, and the store cannot be opened without it: put it back, or name its place with --root-key",
                path.display()
            ),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the root user's credentials where the AWS tools read them, for the owner only.
    pub fn write_credentials(&self, credentials: &FirstCredentials) -> io::Result<()> {
        self.write_profile(&self.path.join("admin-credentials"), credentials)
    }

    /// Keeps credentials in a file in the format that the AWS tools read, for the owner only.
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

    /// Keeps what `keyward env` prints.
    pub fn write_environment(
        &self,
        endpoint: &str,
        region: Region,
        account: AccountId,
    ) -> io::Result<()> {
        let text = format!(
            "endpoint = \"{endpoint}\"\nregion = \"{region}\"\naccount_id = \"{account}\"\n"
        );
        write_private(&self.path, "environment.toml", text.as_bytes())
    }
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
