//! The directory: units by what requests call them, from the node's caches.

pub mod accounts;
pub mod addresses;
pub mod aws_policies;
mod changes;
pub mod counting;
pub mod identities;
pub mod listing;
pub mod organizations;
pub mod paths;
pub mod principals;
pub mod purpose;
pub mod records;
pub mod reserved;
pub mod scopes;
pub mod units;

use std::sync::Arc;

use keyward_crypto::secret::arena::{Arena, ArenaFull};
use keyward_store::{
    cache::{Cache, CacheOptions},
    error::StoreError,
    node::{Invalidate, Node, NodeOptions},
    path::{Path, PathError, Split},
    reader::Reader,
    revision::Revision,
    sealed::{Record, Sealed, SealedError},
};
use keyward_types::{
    account::AccountId,
    partition::Partition,
    region::Region,
    store_id::StoreId,
    time::{Clock, Timestamp},
    unique_id::AccessKeyId,
};

use crate::directory::{
    changes::{RecordChanges, VolumeChanges},
    identities::Identities,
    organizations::Organizations,
    records::{
        AccessKeyOwner, AccessKeyRecord, AccountRecord, RecordError, ServiceRecord, UserRecord,
        storage::AgentRecord,
    },
    units::AccessKeyUnit,
};

/// Why a unit cannot be read. None of it is the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store, or a value that does not open.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// Another record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What an API keeps.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// A stored policy that this version cannot read.
    #[error("the policy in the record at `{path}` cannot be read")]
    Policy {
        /// The record.
        path: Path,
    },
    /// The arena for secrets is full.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
    /// A path cannot be formed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A record that must be there is not.
    #[error("the record at `{path}` is missing")]
    Missing {
        /// Where it should be.
        path: Path,
    },
    /// An authentic record that the record it belongs to does not name: it was put back.
    #[error("the record at `{path}` does not agree with the one it belongs to")]
    Disagrees {
        /// Where it is.
        path: Path,
    },
}

impl ReadError {
    /// Something that an API keeps cannot be read.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Sealed(error.into())
    }
}

/// How much the directory keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryOptions {
    /// Access keys and users, each.
    pub cached_principals: usize,
}

/// Units by what requests call them.
#[derive(Debug)]
pub struct Directory {
    node: Arc<Node>,
    reader: Reader,
    arena: Arena,
    access_keys: Arc<Cache<AccessKeyUnit>>,
    identities: Identities,
    organizations: Organizations,
    volume_changes: Arc<VolumeChanges>,
    /// When the root users' credentials were replaced, by account.
    root_users: Arc<Cache<Option<Timestamp>>>,
}

/// What a unit weighs in the caches: here every unit is one, so that sizes are numbers of units.
/// The weights that the cache itself adds are kept out by scaling.
const UNIT: u64 = 4096;

/// A cache of about so many units.
pub fn cache<U: Send + Sync + 'static>(
    name: &'static str,
    units: usize,
    unit: for<'p> fn(&Split<'p>) -> Option<&'p str>,
) -> Arc<Cache<U>> {
    Cache::new(CacheOptions {
        name,
        max_weight: u64::try_from(units)
            .unwrap_or(u64::MAX)
            .saturating_mul(UNIT),
        expected_units: units,
        weigh: |_| UNIT / 2,
        unit,
    })
}

impl Directory {
    /// Starts to follow the store, for these caches of APIs, too. Returns the directory and the node,
    /// which commits changes: code that must not change anything gets only the directory.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(
        sealed: Sealed,
        arena: Arena,
        clock: Arc<dyn Clock>,
        options: DirectoryOptions,
        more: Vec<Arc<dyn Invalidate>>,
    ) -> Result<(Self, Arc<Node>), StoreError> {
        let people = options.cached_principals;
        let access_keys = cache("access keys", people, |path| path.with("access-key", 0));
        let identities = Identities::new(people);
        let organizations = Organizations::new(people);
        let root_users = cache("root users", people, |path| path.with("account", 3));
        let mut caches = more;
        caches.push(Arc::clone(&access_keys) as _);
        caches.push(Arc::clone(&root_users) as _);
        caches.extend(identities.caches());
        caches.extend(organizations.caches());
        let volume_changes = Arc::new(VolumeChanges::default());
        caches.push(Arc::clone(&volume_changes) as _);
        let node = Node::start(sealed, clock, NodeOptions::default(), caches).await?;
        let directory = Self {
            reader: Reader::new(Arc::clone(&node)),
            node: Arc::clone(&node),
            arena,
            access_keys,
            identities,
            organizations,
            volume_changes,
            root_users,
        };
        Ok((directory, node))
    }

    /// What may be read of the store.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The node: commits, changes, freshness.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Tells of every change of an account's volumes in a Region, and of the agents that store them,
    /// that this node has applied.
    pub fn volume_changes(
        &self,
        region: Region,
        account: AccountId,
    ) -> tokio::sync::watch::Receiver<()> {
        self.volume_changes.listen(region, account)
    }

    /// Tells of every change of these KMS keys and grants that this node has applied, until it is dropped.
    pub fn record_changes(&self, paths: Vec<Path>) -> RecordChanges<'_> {
        self.volume_changes.listen_to(paths)
    }

    /// When a record was last written; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn written(&self, path: &Path) -> Result<Option<Revision>, ReadError> {
        let found = self.node.sealed().get(path).await?.value;
        Ok(found.map(|record| record.revision))
    }

    /// The store's id.
    pub fn store_id(&self) -> StoreId {
        self.node.sealed().store_id()
    }

    /// The arena for secrets.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// An access key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn access_key(
        &self,
        id: &AccessKeyId,
    ) -> Result<Option<Arc<AccessKeyUnit>>, ReadError> {
        if let Some(known) = self.access_keys.peek(paths::access_key_text(id).as_str()) {
            return Ok(known.filter(|key| key.is_owned()));
        }
        let path = paths::access_key(id);
        let key = self
            .access_keys
            .get(&self.reader, &path, |record: Record| async move {
                let bytes = record.bytes_of(purpose::CREDENTIAL)?;
                let key: AccessKeyRecord = records::decode(bytes)?;
                let secret = self.arena.store_bytes(key.secret.expose().as_bytes())?;
                let written = (record.generation, record.revision);
                let owned = key.id == *id && self.owns(&key).await?;
                if !owned {
                    tracing::error!(path = %record.path, "an access key is refused, since its owner does not list it");
                }
                let arena = self.arena.clone();
                Ok::<_, ReadError>(AccessKeyUnit::new(&key, secret, arena, (written, owned)))
            })
            .await?;
        Ok(key.filter(|key| key.is_owned()))
    }

    /// Whether the owner of an access key names it, and does not call one inactive that says it is
    /// active. Read from the store after the key: a key that
    /// was made with its owner's record is then seen with it.
    async fn owns(&self, key: &AccessKeyRecord) -> Result<bool, ReadError> {
        let (partition, account, sealed) = (key.partition, key.account, self.node.sealed());
        let named = match &key.owner {
            AccessKeyOwner::Root => {
                let found = self.account(partition, account).await?;
                found.map(|(owner, _)| (owner.root_access_keys, owner.inactive_root_access_keys))
            }
            AccessKeyOwner::User(id) => {
                let path = paths::user(partition, account, id);
                let found = sealed.get(&path).await?.value;
                let owner = found.map(|record| {
                    records::decode::<UserRecord>(record.bytes_of(purpose::USER)?)
                        .map_err(ReadError::from)
                });
                let owner = owner.transpose()?;
                owner.map(|owner| (owner.access_keys, owner.inactive_access_keys))
            }
            AccessKeyOwner::Service(name) => {
                let path = paths::service(partition, account, name)?;
                let found = sealed.get(&path).await?.value;
                let owner = found.map(|record| {
                    records::decode::<ServiceRecord>(record.bytes_of(purpose::SERVICE)?)
                        .map_err(ReadError::from)
                });
                let owner = owner.transpose()?;
                owner.map(|owner| (owner.access_keys, Vec::new()))
            }
            AccessKeyOwner::Agent { region, id } => {
                let path = paths::agent(*region, account, id);
                let found = sealed.get(&path).await?.value;
                let owner = found.map(|record| {
                    records::decode::<AgentRecord>(record.bytes_of(purpose::AGENT)?)
                        .map_err(ReadError::from)
                });
                let owner = owner.transpose()?;
                owner.map(|owner| (owner.access_keys, Vec::new()))
            }
        };
        Ok(named.is_some_and(|(named, inactive)| {
            named.contains(&key.id) && !(key.active && inactive.contains(&key.id))
        }))
    }

    /// An account, read from the store: it is asked for rarely.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn account(
        &self,
        partition: Partition,
        account: AccountId,
    ) -> Result<Option<(AccountRecord, Record)>, ReadError> {
        let path = paths::account(partition, account);
        let Some(record) = self.node.sealed().get(&path).await?.value else {
            return Ok(None);
        };
        let account: AccountRecord = records::decode(record.bytes_of(purpose::ACCOUNT)?)?;
        Ok(Some((account, record)))
    }

    /// Whether temporary credentials of an account's root user that were issued at that time are
    /// still valid: not if its credentials were replaced since.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn root_session_counts(
        &self,
        partition: Partition,
        account: AccountId,
        issued: Timestamp,
    ) -> Result<bool, ReadError> {
        let path = paths::account(partition, account);
        let replaced = self
            .root_users
            .get(&self.reader, &path, |record: Record| async move {
                let account: AccountRecord = records::decode(record.bytes_of(purpose::ACCOUNT)?)?;
                Ok::<_, ReadError>(account.root_replaced)
            })
            .await?;
        Ok(replaced.is_some_and(|replaced| replaced.is_none_or(|at| issued >= at)))
    }
}

/// The error for an authentic record that the record it belongs to does not name.
pub fn disagrees(record: &Record) -> ReadError {
    ReadError::Disagrees {
        path: record.path.clone(),
    }
}
