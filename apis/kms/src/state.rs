//! What the operations of KMS share: the key core, and the caches of keys, aliases and grants.

use std::sync::Arc;

use keyward_crypto::secret::arena::Arena;
use keyward_engine::{
    api::ApiState,
    directory::{
        ReadError, accounts::OfAccounts, cache, disagrees, organizations::TRIES, purpose, records,
    },
    fault::Internal,
    policy::{
        document::{Document, PolicyKind},
        policy::Policy,
    },
};
use keyward_keys::{
    hierarchy::{AccountKey, AccountKeyRecord, DomainKey, DomainKeyRecord},
    record::KeyRecord,
    ring::Ring,
    root_key::{RootKey, StoreRoot},
};
use keyward_store::{
    batch::Precondition,
    cache::Cache,
    node::Invalidate,
    path::Split,
    reader::Reader,
    sealed::{NameHash, Record, SealedBatch},
};
use keyward_types::{
    account::AccountId, alias::AliasName, key_id::KeyArn, partition::Partition, region::Region,
};

use crate::{
    grants::{
        counts::GrantCounts,
        lookup::{GrantCaches, Grants},
    },
    paths,
    records::AliasRecord,
    units::{AliasUnit, KeyUnit},
};

/// How much KMS keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct KmsOptions {
    /// KMS keys, and aliases.
    pub cached_keys: usize,
    /// Units of grants, each about one grantee's right to one operation.
    pub cached_grants: usize,
}

/// The caches of KMS, before the node follows the store.
#[derive(Debug)]
pub struct KmsCaches {
    keys: Arc<Cache<KeyUnit>>,
    aliases: Arc<Cache<AliasUnit>>,
    domain_keys: Arc<Cache<DomainKey>>,
    account_keys: Arc<Cache<Arc<AccountKey>>>,
    grants: GrantCaches,
}

impl KmsCaches {
    /// Empty caches.
    pub fn new(options: KmsOptions) -> Self {
        let keys = options.cached_keys;
        Self {
            keys: cache("keys", keys, |path: &Split<'_>| path.with("key", 3)),
            aliases: cache("aliases", keys, |path| path.with("alias", 3)),
            domain_keys: cache("domain keys", 4096, |path| path.with("domain-key", 3)),
            account_keys: cache("account keys", 4096, |path| path.with("account-key", 3)),
            grants: GrantCaches::new(options.cached_grants),
        }
    }

    /// All of them, for the node.
    pub fn all(&self) -> Vec<Arc<dyn Invalidate>> {
        let mut caches: Vec<Arc<dyn Invalidate>> = vec![
            Arc::clone(&self.keys) as _,
            Arc::clone(&self.aliases) as _,
            Arc::clone(&self.domain_keys) as _,
            Arc::clone(&self.account_keys) as _,
        ];
        caches.extend(self.grants.all());
        caches
    }
}

/// What the operations of KMS share.
#[derive(Debug)]
pub struct KmsState {
    reader: Reader,
    root: RootKey,
    arena: Arena,
    ring: Ring,
    caches: KmsCaches,
    grants: Grants,
    grant_counts: GrantCounts,
}

impl ApiState for KmsState {
    fn gauges(&self) -> Vec<(&'static str, &'static str, u64)> {
        let keys = u64::try_from(self.caches.keys.len()).unwrap_or(u64::MAX);
        vec![("cached_keys", "KMS keys in the cache.", keys)]
    }
}

/// The keys of accounts, to make more of them under the root key.
#[derive(Debug)]
pub struct AccountKeys<'r>(pub StoreRoot<'r>);

impl OfAccounts for AccountKeys<'_> {
    fn put(
        &self,
        batch: &mut SealedBatch,
        partition: Partition,
        account: AccountId,
    ) -> Result<(), Internal> {
        let key = AccountKeyRecord::generate(self.0, account).map_err(Internal::new)?;
        let bytes = records::encode(&key).map_err(Internal::new)?;
        let path = paths::account_key(partition, account);
        let written = batch.put(path, purpose::ACCOUNT_KEY, &bytes, Precondition::Absent);
        written.map(|_| ()).map_err(Internal::new)
    }
}

impl OfAccounts for KmsState {
    fn put(
        &self,
        batch: &mut SealedBatch,
        partition: Partition,
        account: AccountId,
    ) -> Result<(), Internal> {
        AccountKeys(self.root()).put(batch, partition, account)
    }
}

impl KmsState {
    /// The state of KMS, whose caches follow the store that is read.
    pub fn new(reader: Reader, (root, arena): (RootKey, Arena), caches: KmsCaches) -> Self {
        let ring = Ring::new(arena.clone());
        Self {
            root,
            arena,
            ring,
            grants: Grants::new(reader.clone(), caches.grants.clone()),
            grant_counts: GrantCounts::default(),
            caches,
            reader,
        }
    }

    /// The key core.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The root key at work in this store, to wrap new keys of the hierarchy.
    pub fn root(&self) -> StoreRoot<'_> {
        self.root.in_store(self.reader.store_id())
    }

    /// The grants of all keys.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// How many grants keys have.
    pub fn grant_counts(&self) -> &GrantCounts {
        &self.grant_counts
    }

    /// The hash in paths for an alias's name.
    pub fn alias_hash(&self, region: Region, account: AccountId, name: &AliasName) -> NameHash {
        let home = paths::regional_name_home(region, account);
        self.reader.name_hash(home.as_str(), "alias", name.as_str())
    }

    /// A KMS key, unless it is absent or destroyed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn key(&self, arn: &KeyArn) -> Result<Option<Arc<KeyUnit>>, ReadError> {
        let unit = match self.caches.keys.peek(paths::key_text(arn).as_str()) {
            Some(known) => known,
            None => {
                let path = paths::key(arn);
                self.caches
                    .keys
                    .get(&self.reader, &path, |record: Record| async move {
                        self.load_key(&record).await
                    })
                    .await?
            }
        };
        Ok(unit.filter(|unit| unit.record().state().is_some()))
    }

    /// A KMS key of that id if the cache holds it. The text of the id can be anything: if it is not
    /// a key id, nothing is found.
    pub fn cached_key(&self, region: Region, account: AccountId, id: &str) -> Option<Arc<KeyUnit>> {
        let text = paths::key_id_text(region, account, id);
        let unit = self.caches.keys.peek(text.as_str()).flatten();
        unit.filter(|unit| unit.record().state().is_some())
    }

    /// The unit of a key's record that was read aside from the cache.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn load_key(&self, record: &Record) -> Result<KeyUnit, ReadError> {
        let key = KeyRecord::parse(record.bytes_of(purpose::KEY)?).map_err(ReadError::other)?;
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
        let path = paths::alias(region, account, &self.alias_hash(region, account, name));
        self.caches
            .aliases
            .get(&self.reader, &path, |record: Record| async move {
                let alias: AliasRecord = records::decode(record.bytes_of(purpose::ALIAS)?)?;
                // One that its key does not name was put back, and would lead to an older key.
                let target = KeyArn::new(region, account, alias.target.clone());
                let key = self.reader.get(&paths::key(&target)).await?.value;
                let key = key.ok_or_else(|| disagrees(&record))?;
                let key =
                    KeyRecord::parse(key.bytes_of(purpose::KEY)?).map_err(ReadError::other)?;
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

    /// The domain key of an account and Region, if it has one yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn domain_key(
        &self,
        region: Region,
        account: AccountId,
    ) -> Result<Option<Arc<DomainKey>>, ReadError> {
        let path = paths::domain_key(region, account);
        self.caches
            .domain_keys
            .get(&self.reader, &path, |record: Record| async move {
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
        domain
            .open(self.root(), account, &self.arena)
            .map_err(ReadError::other)
    }

    async fn account_key(
        &self,
        partition: Partition,
        account: AccountId,
    ) -> Result<Arc<AccountKey>, ReadError> {
        let path = paths::account_key(partition, account);
        let found = self
            .caches
            .account_keys
            .get(&self.reader, &path, |record: Record| async move {
                let key: AccountKeyRecord =
                    records::decode(record.bytes_of(purpose::ACCOUNT_KEY)?)?;
                let key = key.open(self.root(), &self.arena);
                Ok::<_, ReadError>(Arc::new(key.map_err(ReadError::other)?))
            })
            .await?;
        found
            .map(|key| Arc::clone(&*key))
            .ok_or(ReadError::Missing { path })
    }
}
