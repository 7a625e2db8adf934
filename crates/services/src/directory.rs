//! The directory: units by what requests call them, from the node's caches.

pub mod aws_policies;
pub mod identities;
pub mod listing;
pub mod organizations;
pub mod paths;
pub mod principals;
pub mod purpose;
pub mod records;
pub mod reserved;
pub mod units;

use std::sync::Arc;

use keyward_crypto::secret::arena::{Arena, ArenaFull};
use keyward_keys::{
    hierarchy::{AccountKey, AccountKeyRecord, DomainKey, DomainKeyRecord, HierarchyError},
    record::{KeyRecord, KeyRecordError},
    ring::Ring,
    root_key::{RootKey, StoreRoot},
};
use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
};
use keyward_store::{
    cache::{Cache, CacheOptions},
    error::StoreError,
    node::{Invalidate, Node, NodeOptions},
    path::{Path, PathError, Split},
    sealed::{Record, Sealed, SealedError},
};
use keyward_types::{
    account::AccountId,
    alias::AliasName,
    key_id::KeyArn,
    partition::Partition,
    region::Region,
    store_id::StoreId,
    time::{Clock, Timestamp},
    unique_id::AccessKeyId,
};

use crate::{
    directory::{
        identities::Identities,
        organizations::{Organizations, TRIES},
        records::{
            AccessKeyOwner, AccessKeyRecord, AccountRecord, AliasRecord, RecordError,
            ServiceRecord, UserRecord,
        },
        units::{AccessKeyUnit, AliasUnit, KeyUnit},
    },
    grants::lookup::GrantCaches,
};

/// Why a unit cannot be read. None of it is the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store, or a value that does not open.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// A key record.
    #[error(transparent)]
    Key(#[from] KeyRecordError),
    /// Another record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A wrapped key.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
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
    /// A managed policy that a session was made with is gone; it may have denied, so the session
    /// cannot be decided about.
    #[error("the managed policy `{arn}` that a session was made with is gone")]
    SessionPolicy {
        /// Its ARN.
        arn: String,
    },
    /// A record that must be there is not.
    #[error("the record at `{path}` is missing")]
    Missing {
        /// Where it should be.
        path: Path,
    },
    /// A genuine record that the record it belongs to does not know: it was put back.
    #[error("the record at `{path}` does not agree with the one it belongs to")]
    Disagrees {
        /// Where it stands.
        path: Path,
    },
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Sealed(error.into())
    }
}

/// How much the directory keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryOptions {
    /// KMS keys.
    pub cached_keys: usize,
    /// Access keys and users, each.
    pub cached_principals: usize,
    /// Units of grants, each about one grantee's right to one operation.
    pub cached_grants: usize,
}

/// Units by what requests call them.
#[derive(Debug)]
pub struct Directory {
    node: Arc<Node>,
    root: RootKey,
    arena: Arena,
    ring: Ring,
    keys: Arc<Cache<KeyUnit>>,
    aliases: Arc<Cache<AliasUnit>>,
    access_keys: Arc<Cache<AccessKeyUnit>>,
    identities: Identities,
    organizations: Organizations,
    domain_keys: Arc<Cache<DomainKey>>,
    account_keys: Arc<Cache<Arc<AccountKey>>>,
    /// When the root users' credentials were replaced, by account.
    root_users: Arc<Cache<Option<Timestamp>>>,
    grants: GrantCaches,
}

/// What a unit weighs in the caches: here every unit is one, so that sizes are numbers of units.
/// The weights that the cache itself adds are kept out by scaling.
const UNIT: u64 = 4096;

fn cache<U: Send + Sync + 'static>(
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
    /// Starts to follow the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(
        sealed: Sealed,
        root: RootKey,
        arena: Arena,
        clock: Arc<dyn Clock>,
        options: DirectoryOptions,
    ) -> Result<Self, StoreError> {
        let people = options.cached_principals;
        let keys = cache("keys", options.cached_keys, |path| path.with("key", 3));
        let aliases = cache("aliases", options.cached_keys, |path| path.with("alias", 3));
        let access_keys = cache("access keys", people, |path| path.with("access-key", 0));
        let identities = Identities::new(people);
        let organizations = Organizations::new(people);
        let domain_keys = cache("domain keys", 4096, |path| path.with("domain-key", 3));
        let account_keys = cache("account keys", 4096, |path| path.with("account-key", 3));
        let root_users = cache("root users", people, |path| path.with("account", 3));
        let grants = GrantCaches::new(options.cached_grants);
        let mut caches: Vec<Arc<dyn Invalidate>> = vec![
            Arc::clone(&keys) as _,
            Arc::clone(&aliases) as _,
            Arc::clone(&access_keys) as _,
            Arc::clone(&domain_keys) as _,
            Arc::clone(&account_keys) as _,
            Arc::clone(&root_users) as _,
        ];
        caches.extend(identities.caches());
        caches.extend(grants.all());
        caches.extend(organizations.caches());
        let node = Node::start(sealed, clock, NodeOptions::default(), caches).await?;
        let ring = Ring::new(arena.clone());
        Ok(Self {
            node,
            root,
            arena,
            ring,
            keys,
            aliases,
            access_keys,
            identities,
            organizations,
            domain_keys,
            account_keys,
            root_users,
            grants,
        })
    }

    /// The node: commits, changes, freshness.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The store's id.
    pub fn store_id(&self) -> StoreId {
        self.node.sealed().store_id()
    }

    /// The ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The root key at work in this store, to wrap new keys of the hierarchy.
    pub fn root(&self) -> StoreRoot<'_> {
        self.root.in_store(self.store_id())
    }

    /// The arena for secrets.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// What is remembered of grants.
    pub(crate) fn grants(&self) -> &GrantCaches {
        &self.grants
    }

    /// How many KMS keys are in the cache.
    pub fn cached_keys(&self) -> usize {
        self.keys.len()
    }

    /// The hash that stands in paths for an alias's name.
    pub fn alias_hash(&self, region: Region, account: AccountId, name: &AliasName) -> String {
        let home = paths::regional_name_home(region, account);
        let sealed = self.node.sealed();
        sealed.name_hash(home.as_str(), "alias", name.as_str())
    }

    /// A KMS key, unless it is absent or destroyed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn key(&self, arn: &KeyArn) -> Result<Option<Arc<KeyUnit>>, ReadError> {
        let unit = match self.keys.peek(paths::key_text(arn).as_str()) {
            Some(known) => known,
            None => {
                let path = paths::key(arn)?;
                self.keys
                    .get(&self.node, &path, |record: Record| async move {
                        self.load_key(&record).await
                    })
                    .await?
            }
        };
        Ok(unit.filter(|unit| unit.record().state().is_some()))
    }

    /// A KMS key of that id if the cache holds it. Whatever text stands for the id: what is none
    /// is not found.
    pub fn cached_key(&self, region: Region, account: AccountId, id: &str) -> Option<Arc<KeyUnit>> {
        let text = paths::key_id_text(region, account, id);
        let unit = self.keys.peek(text.as_str()).flatten();
        unit.filter(|unit| unit.record().state().is_some())
    }

    /// The unit of a key's record that was read aside from the cache.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn load_key(&self, record: &Record) -> Result<KeyUnit, ReadError> {
        let key = KeyRecord::parse(record.bytes_of(purpose::KEY)?)?;
        let unreadable = || ReadError::Policy {
            path: record.path.clone(),
        };
        let document =
            Document::parse(&key.policy.text, PolicyKind::Key).map_err(|_| unreadable())?;
        let policy = Policy::compile(&document, &key.policy.principals);
        let domain = self
            .domain_key(key.region, key.account)
            .await?
            .ok_or_else(unreadable)?;
        let key = self.ring.open(key, domain);
        Ok(KeyUnit::new(
            key,
            policy,
            record.generation,
            record.revision,
        ))
    }

    /// An alias.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn alias(
        &self,
        region: Region,
        account: AccountId,
        name: &AliasName,
    ) -> Result<Option<Arc<AliasUnit>>, ReadError> {
        // It may have been moved to another key between the two reads.
        for _ in 1..TRIES {
            let found = self.read_alias(region, account, name).await;
            if !matches!(found, Err(ReadError::Disagrees { .. })) {
                return found;
            }
        }
        self.read_alias(region, account, name).await
    }

    async fn read_alias(
        &self,
        region: Region,
        account: AccountId,
        name: &AliasName,
    ) -> Result<Option<Arc<AliasUnit>>, ReadError> {
        let path = paths::alias(region, account, &self.alias_hash(region, account, name))?;
        self.aliases
            .get(&self.node, &path, |record: Record| async move {
                let alias: AliasRecord = records::decode(record.bytes_of(purpose::ALIAS)?)?;
                // One that its key does not name was put back, and would lead to an older key.
                let target = KeyArn::new(region, account, alias.target.clone());
                let key = self.node.sealed().get(&paths::key(&target)?).await?.value;
                let key = key.ok_or_else(|| disagrees(&record))?;
                let key = KeyRecord::parse(key.bytes_of(purpose::KEY)?)?;
                if alias.name != *name || !key.aliases.contains(name) {
                    return Err(disagrees(&record));
                }
                Ok::<_, ReadError>(AliasUnit {
                    record: alias,
                    revision: record.revision,
                })
            })
            .await
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
        let path = paths::access_key(id)?;
        let key = self
            .access_keys
            .get(&self.node, &path, |record: Record| async move {
                let bytes = record.bytes_of(purpose::CREDENTIAL)?;
                let key: AccessKeyRecord = records::decode(bytes)?;
                let secret = self.arena.store_bytes(key.secret.expose().as_bytes())?;
                let written = (record.generation, record.revision);
                let owned = key.id == *id && self.owns(&key).await?;
                if !owned {
                    tracing::error!(path = %record.path, "an access key that its owner does not name is refused");
                }
                let arena = self.arena.clone();
                Ok::<_, ReadError>(AccessKeyUnit::new(&key, secret, arena, (written, owned)))
            })
            .await?;
        Ok(key.filter(|key| key.is_owned()))
    }

    /// Whether the owner of an access key names it. Read from the store after the key: a key that
    /// was made with its owner's record is then seen with it.
    async fn owns(&self, key: &AccessKeyRecord) -> Result<bool, ReadError> {
        let (partition, account, sealed) = (key.partition, key.account, self.node.sealed());
        let named = match &key.owner {
            AccessKeyOwner::Root => {
                let found = self.account(partition, account).await?;
                found.map(|(owner, _)| owner.root_access_keys)
            }
            AccessKeyOwner::User(id) => {
                let path = paths::user(partition, account, id)?;
                let found = sealed.get(&path).await?.value;
                let owner = found.map(|record| {
                    records::decode::<UserRecord>(record.bytes_of(purpose::USER)?)
                        .map_err(ReadError::from)
                });
                owner.transpose()?.map(|owner| owner.access_keys)
            }
            AccessKeyOwner::Service(name) => {
                let path = paths::service(partition, account, name)?;
                let found = sealed.get(&path).await?.value;
                let owner = found.map(|record| {
                    records::decode::<ServiceRecord>(record.bytes_of(purpose::SERVICE)?)
                        .map_err(ReadError::from)
                });
                owner.transpose()?.map(|owner| owner.access_keys)
            }
        };
        Ok(named.is_some_and(|named| named.contains(&key.id)))
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
        let path = paths::account(partition, account)?;
        let Some(record) = self.node.sealed().get(&path).await?.value else {
            return Ok(None);
        };
        let account: AccountRecord = records::decode(record.bytes_of(purpose::ACCOUNT)?)?;
        Ok(Some((account, record)))
    }

    /// Whether temporary credentials of an account's root user that were made then still count:
    /// not if its credentials were replaced since.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn root_session_counts(
        &self,
        partition: Partition,
        account: AccountId,
        issued: Timestamp,
    ) -> Result<bool, ReadError> {
        let path = paths::account(partition, account)?;
        let replaced = self
            .root_users
            .get(&self.node, &path, |record: Record| async move {
                let account: AccountRecord = records::decode(record.bytes_of(purpose::ACCOUNT)?)?;
                Ok::<_, ReadError>(account.root_replaced)
            })
            .await?;
        Ok(replaced.is_some_and(|replaced| replaced.is_none_or(|at| issued >= at)))
    }

    /// The domain key of an account and Region, if it has one yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn domain_key(
        &self,
        region: Region,
        account: AccountId,
    ) -> Result<Option<Arc<DomainKey>>, ReadError> {
        let path = paths::domain_key(region, account)?;
        self.domain_keys
            .get(&self.node, &path, |record: Record| async move {
                let domain: DomainKeyRecord =
                    records::decode(record.bytes_of(purpose::DOMAIN_KEY)?)?;
                self.open_domain_key(&domain).await
            })
            .await
    }

    /// Opens a domain key that is not yet in the store.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open_domain_key(&self, domain: &DomainKeyRecord) -> Result<DomainKey, ReadError> {
        let account = self
            .account_key(domain.region.partition(), domain.account)
            .await?;
        Ok(domain.open(self.root(), account, &self.arena)?)
    }

    async fn account_key(
        &self,
        partition: Partition,
        account: AccountId,
    ) -> Result<Arc<AccountKey>, ReadError> {
        let path = paths::account_key(partition, account)?;
        let found = self
            .account_keys
            .get(&self.node, &path, |record: Record| async move {
                let key: AccountKeyRecord =
                    records::decode(record.bytes_of(purpose::ACCOUNT_KEY)?)?;
                Ok::<_, ReadError>(Arc::new(key.open(self.root(), &self.arena)?))
            })
            .await?;
        found
            .map(|key| Arc::clone(&*key))
            .ok_or(ReadError::Missing { path })
    }
}

fn disagrees(record: &Record) -> ReadError {
    ReadError::Disagrees {
        path: record.path.clone(),
    }
}
