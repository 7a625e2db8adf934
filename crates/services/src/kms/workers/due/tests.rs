//! What is due happens at its time, and destruction not before the clocks are trusted.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use keyward_crypto::secret::arena::Arena;
use keyward_keys::{
    hierarchy::DomainKeyRecord,
    record::{Lifecycle, RotationSchedule},
    ring::{KeyKind, NewKey},
    root_key::RootKey,
};
use keyward_policy::{permit::Permit, record::PolicyRecord};
use keyward_store::{log::FeedOptions, memory::Memory, store::Store};
use keyward_trail::trail::TrailOptions;
use keyward_types::{
    action,
    encryption_context::EncryptionContext,
    grant::{GrantId, GrantOperation, GrantOperations},
    time::{Clock, DAY_MILLIS, Monotonic},
};

use keyward_store::path::Prefix;

use super::*;
use crate::{
    bootstrap::{self, FirstCredentials, OpenOptions},
    directory::{DirectoryOptions, records},
    front::Front,
    kms::grants::{
        party::Party,
        record::GrantRecord,
        terms::{Constraint, ContextConstraint, Terms},
        write::put_grant,
    },
    kms::{
        lookup::put_new_key, policies::default_policy, state::KmsOptions, workers::sweep::sweep,
    },
    server::Quotas,
    sts::tests::issuer,
};

const HOUR: i64 = 3_600_000;

/// Clocks that the tests move.
#[derive(Debug)]
struct Hands {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl Hands {
    fn both(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.monotonic
            .fetch_add(u64::try_from(millis).unwrap(), Ordering::SeqCst);
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

pub(crate) struct World {
    pub kms: Arc<KmsState>,
    pub(crate) front: Front,
    hands: Arc<Hands>,
    pub(crate) key: KeyArn,
    _home: tempfile::TempDir,
}

/// A server whose one key has been changed as `edit` says.
pub(crate) async fn world(edit: impl FnOnce(&mut KeyRecord, Timestamp)) -> World {
    let home = tempfile::tempdir().unwrap();
    let (arena, _) = Arena::new(64 << 10).unwrap();
    let root = RootKey::create(&home.path().join("root.key"), &arena).unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new(FeedOptions::default()));
    let hands = Arc::new(Hands {
        wall: AtomicI64::new(1_795_000_000_000),
        monotonic: AtomicU64::new(1),
    });
    let (region, account) = (
        Region::parse("us-east-1").unwrap(),
        AccountId::parse("111122223333").unwrap(),
    );
    let options = OpenOptions {
        account,
        region,
        regions: vec![region],
        audit_directory: &home.path().join("audit"),
        trail: TrailOptions::default(),
        directory: DirectoryOptions {
            cached_principals: 100,
        },
        kms: KmsOptions {
            cached_keys: 100,
            cached_grants: 100,
        },
        quotas: Quotas::default(),
        issuers: issuer::offline(),
    };
    let clock = Arc::clone(&hands) as Arc<dyn Clock>;
    let first = || Ok(FirstCredentials::generate(account));
    let running = bootstrap::open(store, root, arena, clock, options, first)
        .await
        .unwrap();
    let front = running.front;
    let directory = &front.shared().directory;
    let domain = DomainKeyRecord::generate(running.kms.root(), region, account).unwrap();
    let opened = running.kms.open_domain_key(&domain).await.unwrap();
    let place = format!("arn:aws:kms:us-east-1:{account}:*");
    let permit: Permit<action::CreateKey> = Permit::assertion_for_tests("root", account, &place);
    let policy = PolicyRecord::unbound(default_policy(region.partition(), account));
    let new = NewKey {
        kind: KeyKind::SYMMETRIC,
        description: String::new(),
        policy,
        tags: Vec::new(),
    };
    let now = hands.now();
    let mut record = running
        .kms
        .ring()
        .create(&permit, &opened, new, now)
        .await
        .unwrap();
    edit(&mut record, now);
    let mut batch = directory.node().batch();
    let path = paths::domain_key(region, account);
    let bytes = records::encode(&domain).unwrap();
    batch
        .put(path, purpose::DOMAIN_KEY, &bytes, Precondition::Absent)
        .unwrap();
    put_new_key(&mut batch, &record.arn(), &record).unwrap();
    directory.node().commit(batch).await.unwrap();
    World {
        kms: running.kms,
        front,
        hands,
        key: record.arn(),
        _home: home,
    }
}

impl World {
    async fn record(&self) -> KeyRecord {
        let path = paths::key(&self.key);
        let node = self.front.shared().directory.node();
        let read = node.sealed().get(&path).await.unwrap().value.unwrap();
        KeyRecord::parse(read.bytes_of(purpose::KEY).unwrap()).unwrap()
    }

    /// The event of that name on its way to the trail, masked where it differs from run to run.
    async fn event(&self, name: &str) -> String {
        let node = self.front.shared().directory.node();
        let prefix = paths::all_outbox();
        let read = node.sealed().range(&prefix, None, 100).await.unwrap().value;
        let events = read.iter().map(|record| {
            let event = serde_json::from_slice::<serde_json::Value>(record.bytes());
            event.unwrap()
        });
        let mut named = events.filter(|event| event["eventName"] == name);
        let (Some(event), None) = (named.next(), named.next()) else {
            panic!("not exactly one {name}");
        };
        let text = format!("{event:#}\n").replace(self.key.id().as_str(), "<key>");
        let mut masked = String::new();
        let mut seen = Vec::new();
        for piece in text.split_inclusive('"') {
            let word = piece.trim_end_matches('"');
            let hidden = word.rsplit('/').next().unwrap_or(word);
            let random =
                hidden.len() >= 32 && hidden.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
            if random && !seen.contains(&hidden) {
                seen.push(hidden);
            }
            match seen.iter().position(|known| random && *known == hidden) {
                Some(number) => {
                    let mask = format!("<{} digits {}>", hidden.len(), number + 1);
                    masked.push_str(&piece.replace(hidden, &mask));
                }
                None => masked.push_str(piece),
            }
        }
        masked
    }
}

fn pending(record: &mut KeyRecord, now: Timestamp) {
    record.lifecycle = Lifecycle::PendingDeletion {
        delete_at: now.plus_days(7),
    };
}

#[tokio::test]
async fn a_key_is_destroyed_an_hour_after_it_was_seen_due() {
    let world = world(pending).await;
    let shared = world.front.shared();
    let worker = DueWorker::new(shared, Arc::clone(&world.kms))
        .await
        .unwrap();
    // A day at a time, as a server that runs: no leap of the clock.
    for _ in 0..6 {
        world.hands.both(DAY_MILLIS);
        worker.round(shared).await;
    }
    assert_eq!(world.record().await.materials.len(), 1);
    world.hands.both(DAY_MILLIS);
    worker.round(shared).await;
    world.hands.both(HOUR - 1);
    worker.round(shared).await;
    assert_eq!(
        world.record().await.materials.len(),
        1,
        "seen due for less than an hour"
    );
    world.hands.both(1);
    worker.round(shared).await;
    let record = world.record().await;
    assert!(matches!(record.lifecycle, Lifecycle::Destroyed { .. }));
    assert_eq!(record.materials, []);
    assert!(world.kms.key(&world.key).await.unwrap().is_none());
    expect_test::expect_file!["../../../../tests/golden/events/DeleteKey.json"]
        .assert_eq(&world.event("DeleteKey").await);
}

#[tokio::test]
async fn the_grants_of_a_destroyed_key_are_swept_away() {
    let world = world(|record, now| {
        record.has_grants = true;
        pending(record, now);
    })
    .await;
    let shared = world.front.shared();
    let sealed = shared.directory.node().sealed();
    let places = Places::new(sealed, &world.key);
    let (other, retiring) = (
        AccountId::parse("444455556666").unwrap(),
        AccountId::parse("777788889999").unwrap(),
    );
    for number in 0..120_u8 {
        let pairs = vec![("n".to_owned(), number.to_string())];
        let context = EncryptionContext::new(pairs).unwrap();
        let grant = GrantRecord {
            version: records::V1,
            id: GrantId::from_random([number; 32]),
            region: world.key.region(),
            account: world.key.account(),
            key: world.key.id().clone(),
            name: Some(format!("g{number}")),
            created: world.hands.now(),
            issuing_account: other,
            grantee: Party::Account { account: other },
            retiring: Some(Party::Account { account: retiring }),
            terms: Terms {
                operations: GrantOperations::new([GrantOperation::Decrypt]),
                constraint: Constraint {
                    context: ContextConstraint::Subset(context),
                    source_arn: None,
                },
            },
        };
        let mut batch = shared.directory.node().batch();
        put_grant(&mut batch, &places, &grant).unwrap();
        shared.directory.node().commit(batch).await.unwrap();
    }
    let below = |prefix: &Prefix| {
        let prefix = prefix.clone();
        async move {
            sealed
                .store()
                .range(&prefix, None, 1000)
                .await
                .unwrap()
                .value
                .len()
        }
    };
    let mine = Prefix::parse("aws/111122223333/us-east-1/grant").unwrap();
    let theirs = Prefix::parse("aws/777788889999/us-east-1/retirable/").unwrap();
    assert_eq!((below(&mine).await, below(&theirs).await), (480, 120));

    let worker = DueWorker::new(shared, Arc::clone(&world.kms))
        .await
        .unwrap();
    for _ in 0..8 {
        world.hands.both(DAY_MILLIS);
        worker.round(shared).await;
    }
    assert!(world.kms.key(&world.key).await.unwrap().is_none());
    // The tombstone is there, and with it what tells the sweeper.
    assert_eq!((below(&mine).await, below(&theirs).await), (481, 120));
    sweep(shared).await;
    assert_eq!((below(&mine).await, below(&theirs).await), (0, 0));
    sweep(shared).await;
    assert!(matches!(
        world.record().await.lifecycle,
        Lifecycle::Destroyed { .. }
    ));
}

#[tokio::test]
async fn a_clock_over_a_week_ahead_destroys_nothing() {
    let world = world(pending).await;
    let shared = world.front.shared();
    let worker = DueWorker::new(shared, Arc::clone(&world.kms))
        .await
        .unwrap();
    worker.round(shared).await;
    world.hands.wall.fetch_add(8 * DAY_MILLIS, Ordering::SeqCst);
    for _ in 0..4 {
        worker.round(shared).await;
        world.hands.both(HOUR);
    }
    assert_eq!(world.record().await.materials.len(), 1);
    // A server started anew with the same wrong clock holds it too.
    let anew = DueWorker::new(shared, Arc::clone(&world.kms))
        .await
        .unwrap();
    for _ in 0..4 {
        anew.round(shared).await;
        world.hands.both(HOUR);
    }
    assert_eq!(world.record().await.materials.len(), 1);
}

#[tokio::test]
async fn a_key_rotates_when_its_schedule_says_so() {
    let world = world(|record, now| {
        record.rotation = Some(RotationSchedule {
            period_days: 90,
            next: now.plus_days(90),
        });
    })
    .await;
    let shared = world.front.shared();
    let worker = DueWorker::new(shared, Arc::clone(&world.kms))
        .await
        .unwrap();
    worker.round(shared).await;
    assert_eq!(world.record().await.materials.len(), 1);
    let due = world.hands.now().plus_days(90);
    world.hands.both(90 * DAY_MILLIS);
    worker.round(shared).await;
    worker.round(shared).await;
    let record = world.record().await;
    assert_eq!(
        record.materials.len(),
        2,
        "once, however often the worker looks"
    );
    assert_eq!(record.rotation.unwrap().next, due.plus_days(90));
    expect_test::expect_file!["../../../../tests/golden/events/RotateKey.json"]
        .assert_eq(&world.event("RotateKey").await);
}

#[tokio::test]
async fn a_row_that_was_taken_away_is_written_again_after_the_next_start() {
    let world = world(pending).await;
    let shared = world.front.shared();
    let due = world.record().await.due().unwrap();
    let row = paths::due(&world.key, due.at());
    let node = shared.directory.node();
    let mut batch = node.batch();
    batch.delete(row.clone(), Precondition::Any).unwrap();
    node.commit(batch).await.unwrap();
    let worker = DueWorker::new(shared, Arc::clone(&world.kms))
        .await
        .unwrap();
    for _ in 0..4 {
        worker.round(shared).await;
    }
    assert!(node.sealed().get(&row).await.unwrap().value.is_some());
}
