//! The data directory, opened by one process: its lock, its store, its root key.
//!
//! [`DataDir::create`] is for commands that may create one. All others open an existing one and
//! create nothing in it: a mistyped path is reported and leaves no trace.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use keyward_client::{
    data_dir::{ADMIN_CREDENTIALS, Hollow, audit, check, check_beside, hollow, store_file},
    remembered::{self, Remembered},
};
use keyward_crypto::secret::arena::Arena;
use keyward_keys::root_key::{RootKey, RootKeyError};
use keyward_services::bootstrap;
use keyward_store::{
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};
use keyward_types::unique_id::AccessKeyId;

use self::draft::CredentialsDraft;
use crate::config::{self, Config};

pub mod draft;

/// A data directory that only this process uses.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Creates a directory, with those above it, for this user only.
///
/// # Errors
/// When it cannot be created. One that exists is none.
pub fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}

impl DataDir {
    /// Takes a directory, and creates it if it does not exist.
    ///
    /// # Errors
    /// When it cannot be created or is in use, and when an audit trail or credentials lie in it without their
    /// store.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        create_private(path)
            .with_context(|| format!("cannot create the data directory {}", path.display()))?;
        if let Some(hollow) = hollow(path)? {
            check_beside(path, hollow)?;
        }
        Self::lock(path)
    }

    /// Takes a directory that holds a store. Nothing is created in one without.
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
                // An existing directory may be readable by others.
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
    /// When it cannot be opened, or holds nothing though there is an audit trail or the credentials
    /// of a first start.
    pub async fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        let file = store_file(&self.path);
        let store = Sqlite::open(SqliteOptions::new(&file))
            .with_context(|| format!("the store {} cannot be opened", file.display()))?;
        if bootstrap::is_empty(&store).await? {
            check_beside(&self.path, Hollow::Empty)?;
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
        // The permissions of a directory are right, and must not be changed.
        if path.is_dir() {
            bail!(
                "the root key {} is a directory: name the file with --root-key",
                path.display()
            );
        }
        remove_root_key_drafts(path);
        match RootKey::open(path, arena) {
            Ok(key) => Ok(key),
            Err(RootKeyError::Missing(path)) => bail!(
                "there is no root key at {}, and the store cannot be opened without it: restore it, or say where it is with --root-key",
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
        remove_root_key_drafts(path);
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

    /// Has the file of the first start hold what the store took, also if a start ended in between.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn keep_admin_credentials(&self, root_access_keys: &[AccessKeyId]) -> anyhow::Result<()> {
        let file = self.admin_credentials();
        match CredentialsDraft::left_behind(&file, root_access_keys) {
            Ok(Some(draft)) => draft.keep(),
            Ok(None) => Ok(()),
            Err(error) => Err(error)
                .with_context(|| format!("the draft of {} cannot be read", file.display())),
        }
    }

    /// Settles what starts and commands that ended too early left of credentials: in this directory, and
    /// beside a file that was chosen for some.
    ///
    /// # Errors
    /// When the store cannot be read, or the system refuses.
    pub async fn settle_drafts(
        &self,
        (store, root, arena): (&Arc<dyn Store>, &RootKey, &Arena),
        chosen: Option<&Path>,
    ) -> anyhow::Result<()> {
        let mut files: Vec<PathBuf> = chosen.into_iter().map(Path::to_owned).collect();
        if chosen.is_none() {
            for entry in fs::read_dir(&self.path)? {
                let name = entry?.file_name();
                let name = name.to_str().and_then(|name| name.strip_prefix('.'));
                let name = name.and_then(|name| name.strip_suffix(".tmp"));
                let is_theirs =
                    |name: &&str| *name == ADMIN_CREDENTIALS || name.starts_with("credentials-");
                files.extend(name.filter(is_theirs).map(|name| self.path.join(name)));
            }
        }
        for file in files {
            let settled = draft::settle(&file, (store, root, arena)).await;
            settled
                .with_context(|| format!("the draft of {} cannot be completed", file.display()))?;
        }
        Ok(())
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
        let file = self.path.join(remembered::FILE);
        draft::write_private(&file, remembered.render()?.as_bytes())
            .with_context(|| format!("{} cannot be written", file.display()))
    }
}

/// Removes what a crash left of the root key under other names, where the system lets us.
fn remove_root_key_drafts(path: &Path) {
    if let Err(error) = RootKey::remove_drafts(path) {
        tracing::warn!(%error, path = %path.display(), "drafts of the root key cannot be removed");
    }
}

/// Where the root key is, unless it is in the data directory, which may be moved with it.
fn root_key_elsewhere(config: &Config) -> io::Result<Option<PathBuf>> {
    let path = std::path::absolute(&config.root_key)?;
    let usual = std::path::absolute(config.data_dir.join(config::ROOT_KEY))?;
    Ok((path != usual).then_some(path))
}
