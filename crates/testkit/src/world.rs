//! A server in memory with clocks that the tests move, two accounts, and their people.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use keyward_crypto::{random, secret::arena::Arena};
use keyward_keys::root_key::RootKey;
use keyward_oidc::issuers::Issuers;
use keyward_policy::{
    document::{Document, PolicyKind},
    record::PolicyRecord,
};
use keyward_store::{
    batch::Precondition,
    log::FeedOptions,
    memory::Memory,
    path::Path,
    sealed::{Purpose, SealedBatch},
    store::Store,
};
use keyward_trail::trail::TrailOptions;
use keyward_types::{
    account::AccountId,
    partition::Partition,
    region::Region,
    time::{Clock, Monotonic, Timestamp},
    unique_id::{AccessKeyId, UniqueId, UniqueIdKind},
    vpc::Vpcs,
};
use serde::Serialize;

mod other;
mod requests;

use keyward_api_kms::state::{KmsOptions, KmsState};
use keyward_engine::{
    directory::{
        Directory, DirectoryOptions, accounts,
        identities::NameKind,
        paths, purpose,
        records::{
            self, AccessKeyOwner, AccessKeyRecord, SecretText, UserRecord, V1,
            identity::{NameRecord, PrincipalIdRecord, RoleRecord},
        },
    },
    front::Front,
    server::Quotas,
    workers::WorkerContext,
};
use keyward_services::bootstrap::{self, FirstCredentials, OpenOptions};

use crate::{answer::Key, issuer, watched::Watched};

/// The first account, and one that is a stranger to it.
pub const OWN: &str = "111122223333";
pub const OTHER: &str = "444455556666";

/// When the world begins, in seconds, unless a test says otherwise.
const START: i64 = 1_795_000_000;
const SECRET: &str = "a secret of some length, for all";

/// The clocks, in milliseconds.
#[derive(Debug)]
pub struct Hands {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl Hands {
    /// Moves the wall clock alone.
    pub fn wall(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::SeqCst);
    }

    /// Moves both clocks.
    ///
    /// # Panics
    /// When time is to run backwards.
    pub fn both(&self, millis: i64) {
        self.wall(millis);
        let millis = u64::try_from(millis).unwrap();
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

/// A server in memory.
#[derive(Debug)]
pub struct World {
    /// What answers requests.
    pub front: Front,
    /// What its workers work with; tests commit by it.
    pub workers: Arc<WorkerContext>,
    /// The state of KMS.
    pub kms: Arc<KmsState>,
    /// The clocks.
    pub hands: Arc<Hands>,
    /// What the root user of [`OWN`] signs with.
    pub root: Key,
    reads: Arc<AtomicU64>,
    scrubs: Arc<AtomicU64>,
    audit: std::path::PathBuf,
    _home: tempfile::TempDir,
}

pub fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

impl World {
    pub async fn new() -> Self {
        Self::at(START, issuer::offline()).await
    }

    /// A world that begins at that second.
    pub async fn at(start: i64, issuers: Issuers) -> Self {
        Self::open((start, &["us-east-1"]), issuers, Quotas::default()).await
    }

    /// A world that serves these Regions. [`World::json_in`] asks in another than the first.
    pub async fn in_regions(regions: &[&str]) -> Self {
        Self::open((START, regions), issuer::offline(), Quotas::default()).await
    }

    /// A world with quotas of its own.
    pub async fn with(quotas: Quotas) -> Self {
        Self::open((START, &["us-east-1"]), issuer::offline(), quotas).await
    }

    async fn open((start, regions): (i64, &[&str]), issuers: Issuers, quotas: Quotas) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (arena, _) = Arena::new(256 << 10).unwrap();
        let root_key = RootKey::create(&home.path().join("root.key"), &arena).unwrap();
        let memory: Arc<dyn Store> = Arc::new(Memory::new(FeedOptions::default()));
        let (reads, scrubs) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let store: Arc<dyn Store> = Arc::new(Watched::new(
            memory,
            Arc::clone(&reads),
            Arc::clone(&scrubs),
        ));
        let hands = Arc::new(Hands {
            wall: AtomicI64::new(start * 1000),
            monotonic: AtomicU64::new(1),
        });
        let regions: Vec<Region> = regions
            .iter()
            .map(|region| Region::parse(region).unwrap())
            .collect();
        let audit = home.path().join("audit");
        let options = OpenOptions {
            account: account(OWN),
            region: *regions.first().unwrap(),
            regions,
            audit_directory: &audit,
            trail: TrailOptions::default(),
            directory: DirectoryOptions {
                cached_principals: 100,
            },
            kms: KmsOptions {
                cached_keys: 100,
                cached_grants: 100,
            },
            quotas,
            issuers,
            vpcs: Vpcs::default(),
        };
        let id = AccessKeyId::long_term(account(OWN), [1; 7]);
        let root = Key {
            id: id.to_string(),
            secret: SECRET.to_owned(),
            token: None,
        };
        let first = || {
            Ok(FirstCredentials {
                id,
                secret: SecretText::new(SECRET.to_owned()),
            })
        };
        let clock = Arc::clone(&hands) as Arc<dyn Clock>;
        let running = bootstrap::open(store, root_key, arena, clock, options, first)
            .await
            .unwrap();
        let world = Self {
            front: running.front,
            workers: running.workers,
            kms: running.kms,
            hands,
            root,
            reads,
            scrubs,
            audit,
            _home: home,
        };
        let other = world.other_account(Vec::new());
        let mut batch = world.workers.batch();
        let of_accounts = world.front.shared().of_accounts();
        accounts::put(&mut batch, &other, None, of_accounts).unwrap();
        world.workers.commit(batch).await.unwrap();
        world
    }

    /// How often the store was read so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    /// How often the store was scrubbed so far.
    pub fn scrubs(&self) -> u64 {
        self.scrubs.load(Ordering::SeqCst)
    }

    /// Where the audit trail lies.
    pub fn audit(&self) -> &std::path::Path {
        &self.audit
    }

    pub fn directory(&self) -> &Directory {
        self.front.shared().directory()
    }

    /// Moves the clocks, and waits until the store was heard from since.
    pub async fn advance(&self, seconds: i64) {
        self.hands.both(seconds * 1000);
        while !self.front.shared().not_ready().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// A new user with an inline policy of one statement, or with none.
    pub async fn user(&self, of: &str, name: &str, statement: Option<&str>) -> Key {
        let home = (Partition::Aws, account(of));
        let id = UniqueId::from_random(UniqueIdKind::User, random::array());
        let policies = statement.map(|statement| ("p".to_owned(), policy(statement)));
        let mut batch = self.workers.batch();
        let key = self.put_key(&mut batch, of, AccessKeyOwner::User(id.clone()));
        let record = UserRecord {
            version: V1,
            id: id.clone(),
            name: name.to_owned(),
            path: "/".to_owned(),
            created: self.hands.now(),
            tags: Vec::new(),
            access_keys: vec![AccessKeyId::parse(&key.id).unwrap()],
            inactive_access_keys: Vec::new(),
            inline_policies: policies.into_iter().collect(),
            attached_policies: Vec::new(),
            boundary: None,
            groups: Vec::new(),
        };
        self.put_name(&mut batch, NameKind::User, of, name, &id);
        let path = paths::user(home.0, home.1, &id);
        put(
            &mut batch,
            path,
            purpose::USER,
            &record,
            Precondition::Absent,
        );
        self.workers.commit(batch).await.unwrap();
        key
    }

    /// A new role whose trust policy is this statement.
    pub async fn role(
        &self,
        of: &str,
        name: &str,
        trust: &str,
        edit: impl FnOnce(&mut RoleRecord),
    ) -> UniqueId {
        let home = (Partition::Aws, account(of));
        let text = policy(trust);
        let document = Document::parse(&text, PolicyKind::Trust).unwrap();
        let bound = self.directory().bind_principals(home.0, &document).await;
        let mut record = RoleRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Role, random::array()),
            name: name.to_owned(),
            path: "/".to_owned(),
            description: None,
            created: self.hands.now(),
            max_session_seconds: 3600,
            trust: PolicyRecord {
                text,
                principals: bound.unwrap().unwrap(),
            },
            tags: Vec::new(),
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            boundary: None,
            linked_service: None,
        };
        edit(&mut record);
        let mut batch = self.workers.batch();
        self.put_name(&mut batch, NameKind::Role, of, name, &record.id);
        let path = paths::role(home.0, home.1, &record.id);
        put(
            &mut batch,
            path,
            purpose::ROLE,
            &record,
            Precondition::Absent,
        );
        self.workers.commit(batch).await.unwrap();
        record.id
    }

    /// Deletes a role.
    pub async fn delete_role(&self, name: &str, id: &UniqueId) {
        let home = (Partition::Aws, account(OWN));
        let mut batch = self.workers.batch();
        let path = paths::role(home.0, home.1, id);
        batch.delete(path, Precondition::Any).unwrap();
        let path = self.directory().name_path(NameKind::Role, home, name);
        batch.delete(path, Precondition::Any).unwrap();
        self.workers.commit(batch).await.unwrap();
    }

    fn put_name(
        &self,
        batch: &mut SealedBatch,
        kind: NameKind,
        of: &str,
        name: &str,
        id: &UniqueId,
    ) {
        let home = (Partition::Aws, account(of));
        let path = self.directory().name_path(kind, home, name);
        let leads = NameRecord {
            version: V1,
            id: id.clone(),
            name: name.to_owned(),
        };
        put(batch, path, kind.purpose(), &leads, Precondition::Absent);
        let lives = PrincipalIdRecord {
            version: V1,
            partition: home.0,
            account: home.1,
        };
        let path = paths::principal_id(id);
        let purpose = purpose::PRINCIPAL_ID;
        put(batch, path, purpose, &lives, Precondition::Absent);
    }

    fn put_key(&self, batch: &mut SealedBatch, of: &str, owner: AccessKeyOwner) -> Key {
        let id = AccessKeyId::long_term(account(of), random::array());
        let record = AccessKeyRecord {
            version: V1,
            id: id.clone(),
            account: account(of),
            partition: Partition::Aws,
            owner,
            active: true,
            created: self.hands.now(),
            secret: SecretText::new(SECRET.to_owned()),
        };
        let path = paths::access_key(&id);
        put(
            batch,
            path,
            purpose::CREDENTIAL,
            &record,
            Precondition::Absent,
        );
        Key {
            id: id.to_string(),
            secret: SECRET.to_owned(),
            token: None,
        }
    }

    /// The events of changes, which nothing copies to the trail here, a line each.
    pub async fn outbox(&self) -> String {
        let prefix = paths::all_outbox();
        let read = self.workers.reader().range(&prefix, None, 500).await;
        let records = read.unwrap().value;
        let lines = records.iter().map(|record| {
            let line = record.bytes_of(purpose::OUTBOX).unwrap();
            format!("{}\n", String::from_utf8(line.to_vec()).unwrap())
        });
        lines.collect()
    }

    /// Every file of the audit trail.
    pub fn trail(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(&self.audit).unwrap() {
            text.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        text
    }
}

/// A policy of these statements.
pub fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn put(
    batch: &mut SealedBatch,
    path: Path,
    of: Purpose,
    record: &impl Serialize,
    when: Precondition,
) {
    let bytes = records::encode(record).unwrap();
    batch.put(path, of, &bytes, when).unwrap();
}
