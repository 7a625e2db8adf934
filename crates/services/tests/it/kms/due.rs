//! What is due happens at its time, and destruction not before the clocks are trusted.

use std::sync::Arc;

use keyward_api_kms::{
    grants::{
        index::GrantPaths,
        party::Party,
        record::GrantRecord,
        terms::{Constraint, ContextConstraint, Terms},
        write::put_grant,
    },
    paths,
    workers::{all, due::DueWorker, sweep::sweep},
};
use keyward_engine::directory::records;
use keyward_keys::record::{KeyRecord, Lifecycle, RotationSchedule};
use keyward_store::{batch::Precondition, path::Prefix};
use keyward_types::{
    account::AccountId,
    encryption_context::EncryptionContext,
    grant::{GrantId, GrantOperation, GrantOperations},
    time::{Clock as _, DAY_MILLIS, Timestamp},
};

use super::world::world;

const HOUR: i64 = 3_600_000;

fn pending(record: &mut KeyRecord, now: Timestamp) {
    record.lifecycle = Lifecycle::PendingDeletion {
        delete_at: now.plus_days(7),
    };
}

#[tokio::test]
async fn a_key_is_destroyed_an_hour_after_it_was_seen_due() {
    let world = world(pending).await;
    let worker = DueWorker::new(&world.workers, Arc::clone(&world.kms))
        .await
        .unwrap();
    // A day at a time, as a server that runs: no leap of the clock.
    for _ in 0..6 {
        world.hands.both(DAY_MILLIS);
        worker.round(&world.workers).await;
    }
    assert_eq!(world.record().await.materials.len(), 1);
    world.hands.both(DAY_MILLIS);
    worker.round(&world.workers).await;
    world.hands.both(HOUR - 1);
    worker.round(&world.workers).await;
    assert_eq!(
        world.record().await.materials.len(),
        1,
        "seen due for less than an hour"
    );
    world.hands.both(1);
    worker.round(&world.workers).await;
    let record = world.record().await;
    assert!(matches!(record.lifecycle, Lifecycle::Destroyed { .. }));
    assert_eq!(record.materials, []);
    assert!(world.kms.key(&world.key).await.unwrap().is_none());
    expect_test::expect_file!["../../golden/events/DeleteKey.json"]
        .assert_eq(&world.event("DeleteKey").await);
}

#[tokio::test]
async fn the_grants_of_a_destroyed_key_are_swept_away() {
    let world = world(|record, now| {
        record.has_grants = true;
        pending(record, now);
    })
    .await;
    let reader = world.workers.reader();
    let places = GrantPaths::new(reader, &world.key);
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
        let mut batch = world.workers.batch();
        put_grant(&mut batch, &places, &grant).unwrap();
        world.workers.commit(batch).await.unwrap();
    }
    let below = |prefix: &Prefix| {
        let prefix = prefix.clone();
        async move {
            reader
                .entries(&prefix, None, 1000)
                .await
                .unwrap()
                .value
                .len()
        }
    };
    let mine = Prefix::parse("aws/111122223333/us-east-1/grant").unwrap();
    let theirs = Prefix::parse("aws/777788889999/us-east-1/retirable/").unwrap();
    assert_eq!((below(&mine).await, below(&theirs).await), (480, 120));

    let worker = DueWorker::new(&world.workers, Arc::clone(&world.kms))
        .await
        .unwrap();
    for _ in 0..8 {
        world.hands.both(DAY_MILLIS);
        worker.round(&world.workers).await;
    }
    assert!(world.kms.key(&world.key).await.unwrap().is_none());
    // The tombstone is there, and with it what tells the sweeper.
    assert_eq!((below(&mine).await, below(&theirs).await), (481, 120));
    sweep(&world.workers).await;
    assert_eq!((below(&mine).await, below(&theirs).await), (0, 0));
    sweep(&world.workers).await;
    assert!(matches!(
        world.record().await.lifecycle,
        Lifecycle::Destroyed { .. }
    ));
}

#[tokio::test]
async fn a_clock_over_a_week_ahead_destroys_nothing() {
    let world = world(pending).await;
    let worker = DueWorker::new(&world.workers, Arc::clone(&world.kms))
        .await
        .unwrap();
    worker.round(&world.workers).await;
    world.hands.wall(8 * DAY_MILLIS);
    for _ in 0..4 {
        worker.round(&world.workers).await;
        world.hands.both(HOUR);
    }
    assert_eq!(world.record().await.materials.len(), 1);
    // A server started anew with the same wrong clock holds it too.
    let anew = DueWorker::new(&world.workers, Arc::clone(&world.kms))
        .await
        .unwrap();
    for _ in 0..4 {
        anew.round(&world.workers).await;
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
    let worker = DueWorker::new(&world.workers, Arc::clone(&world.kms))
        .await
        .unwrap();
    worker.round(&world.workers).await;
    assert_eq!(world.record().await.materials.len(), 1);
    let due = world.hands.now().plus_days(90);
    world.hands.both(90 * DAY_MILLIS);
    worker.round(&world.workers).await;
    worker.round(&world.workers).await;
    let record = world.record().await;
    assert_eq!(
        record.materials.len(),
        2,
        "once, however often the worker looks"
    );
    assert_eq!(record.rotation.unwrap().next, due.plus_days(90));
    expect_test::expect_file!["../../golden/events/RotateKey.json"]
        .assert_eq(&world.event("RotateKey").await);
}

#[tokio::test]
async fn a_row_that_was_taken_away_is_written_again_after_the_next_start() {
    let world = world(pending).await;
    let due = world.record().await.due().unwrap();
    let row = paths::due(&world.key, due.at());
    let mut batch = world.workers.batch();
    batch.delete(row.clone(), Precondition::Any).unwrap();
    world.workers.commit(batch).await.unwrap();
    let worker = DueWorker::new(&world.workers, Arc::clone(&world.kms))
        .await
        .unwrap();
    for _ in 0..4 {
        worker.round(&world.workers).await;
    }
    assert!(
        world
            .workers
            .reader()
            .get(&row)
            .await
            .unwrap()
            .value
            .is_some()
    );
}

#[tokio::test]
async fn a_start_overwrites_what_an_earlier_end_left_of_destroyed_keys() {
    let world = world(|_, _| ()).await;
    assert_eq!(world.scrubs(), 0);
    let workers = all(Arc::clone(&world.kms), &world.workers).await;
    assert_eq!(workers.unwrap().len(), 3);
    assert_eq!(world.scrubs(), 1);
}
