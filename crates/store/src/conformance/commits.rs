//! What a commit promises.

use std::{collections::BTreeMap, sync::Arc};

use super::{Numbers, commit, conflict, entries, entry, path, paths, put};
use crate::{
    batch::{Batch, MAX_BATCH_BYTES, MAX_BATCH_CHANGES, MAX_VALUE_BYTES, Precondition},
    error::CommitError,
    log::FeedOptions,
    revision::Revision,
    store::Store,
};

/// How the store of these tests is opened.
pub fn options() -> FeedOptions {
    FeedOptions::default()
}

/// Every history begins alike.
pub async fn a_fresh_store_is_at_revision_zero(store: Arc<dyn Store>) {
    assert_eq!(store.revision().await, Ok(Revision::new(0)));
    let read = store.get(&path("a")).await.expect("the read works");
    assert_eq!((read.at, read.value), (Revision::new(0), None));
}

/// The answered revision is on each of the batch's entries.
pub async fn what_is_put_is_read_back_with_its_revision(store: Arc<dyn Store>) {
    let mut batch = put("a", b"one", Precondition::Absent);
    batch
        .put(path("b"), Vec::new(), Precondition::Any)
        .expect("within the limits");
    let first = commit(&store, batch).await;
    assert!(first > Revision::new(0));
    for (at, value) in [("a", b"one".as_slice()), ("b", b"")] {
        let found = entry(&store, at).await.expect("it stands there");
        assert_eq!((found.revision, found.value.as_slice()), (first, value));
    }
    let second = commit(&store, put("a", b"two", Precondition::At(first))).await;
    assert!(second > first);
    let found = entry(&store, "a").await.expect("it stands there");
    assert_eq!(
        (found.revision, found.value.as_slice()),
        (second, b"two".as_slice())
    );
}

/// All or nothing, and the first false precondition in the batch's order is named.
pub async fn a_false_precondition_names_its_path_and_keeps_nothing(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"one", Precondition::Absent)).await;
    for (precondition, at) in [
        (Precondition::Absent, "a"),
        (Precondition::At(first.next()), "a"),
        (Precondition::At(first), "missing"),
        (Precondition::At(Revision::new(0)), "missing"),
    ] {
        let mut batch = put("before", b"x", Precondition::Absent);
        let line = batch.put(path(at), b"two".to_vec(), precondition);
        line.expect("within the limits");
        let line = batch.delete(path("z"), Precondition::At(first));
        line.expect("within the limits");
        assert_eq!(conflict(&store, batch).await, Some(path(at)));
        let mut batch = put("before", b"x", Precondition::Absent);
        let line = batch.delete(path(at), precondition);
        line.expect("within the limits");
        assert_eq!(conflict(&store, batch).await, Some(path(at)));
    }
    let all = entries(&store, "").await;
    assert_eq!(paths(&all), ["a"]);
    assert_eq!(store.revision().await, Ok(first));
    let mut batch = Batch::new();
    let line = batch.check(path("b"), Precondition::At(first));
    line.expect("within the limits");
    assert_eq!(conflict(&store, batch).await, Some(path("b")));
}

/// Checks bind a batch and are no changes.
pub async fn a_batch_of_checks_writes_nothing(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"one", Precondition::Absent)).await;
    let mut batch = Batch::new();
    for (at, precondition) in [
        ("a", Precondition::At(first)),
        ("b", Precondition::Absent),
        ("c", Precondition::Any),
    ] {
        let line = batch.check(path(at), precondition);
        line.expect("within the limits");
    }
    assert_eq!(commit(&store, batch).await, first);
    assert_eq!(commit(&store, Batch::new()).await, first);
    assert_eq!(paths(&entries(&store, "").await), ["a"]);
}

/// Deletion leaves no tombstone that a precondition could see.
pub async fn a_deleted_entry_is_absent_and_can_be_made_again(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"one", Precondition::Absent)).await;
    let mut batch = Batch::new();
    let line = batch.delete(path("a"), Precondition::At(first));
    line.expect("within the limits");
    commit(&store, batch).await;
    assert_eq!(entry(&store, "a").await, None);
    let again = commit(&store, put("a", b"two", Precondition::Absent)).await;
    assert_eq!(
        entry(&store, "a").await.map(|found| found.revision),
        Some(again)
    );
    let mut batch = Batch::new();
    let line = batch.delete(path("never"), Precondition::Any);
    line.expect("within the limits");
    assert!(store.commit(batch).await.is_ok());
}

/// The limits are part of the trait: what is within them is kept.
pub async fn the_largest_value_and_the_largest_batch_are_kept(store: Arc<dyn Store>) {
    let longest = "p".repeat(crate::path::MAX_PATH_BYTES);
    let value = vec![0xa5; MAX_VALUE_BYTES];
    commit(&store, put(&longest, &value, Precondition::Absent)).await;
    let found = entry(&store, &longest).await.expect("it stands there");
    assert_eq!(found.value, value);

    let mut batch = Batch::new();
    let each = MAX_BATCH_BYTES / MAX_BATCH_CHANGES - 4;
    for number in 0..MAX_BATCH_CHANGES {
        let at = path(&format!("m/{number:02}"));
        let line = batch.put(at, vec![7; each], Precondition::Absent);
        line.expect("within the limits");
    }
    commit(&store, batch).await;
    let all = entries(&store, "m/").await;
    assert_eq!(all.len(), MAX_BATCH_CHANGES);
    assert!(all.iter().all(|found| found.value.len() == each));
}

/// "At revision R" is a compare-and-set.
pub async fn concurrent_increments_lose_none(store: Arc<dyn Store>) {
    const TASKS: usize = 8;
    const ROUNDS: usize = 20;
    commit(&store, put("n", b"0", Precondition::Absent)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut done = 0;
            while done < ROUNDS {
                let found = entry(&store, "n").await.expect("it stands there");
                let text = String::from_utf8(found.value).expect("digits");
                let next = text.parse::<usize>().expect("digits") + 1;
                let batch = put(
                    "n",
                    next.to_string().as_bytes(),
                    Precondition::At(found.revision),
                );
                match store.commit(batch).await {
                    Ok(_) => done += 1,
                    Err(error) => assert_eq!(error, CommitError::Conflict { path: path("n") }),
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no task fails");
    }
    let found = entry(&store, "n").await.expect("it stands there");
    let total = (TASKS * ROUNDS).to_string();
    assert_eq!(found.value, total.as_bytes());
}

/// Read your writes, by whomever.
pub async fn an_answered_commit_is_seen_by_every_later_read(store: Arc<dyn Store>) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..6 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let at = format!("t/{task}");
            for round in 0..30_u32 {
                let value = round.to_be_bytes();
                let revision = commit(&store, put(&at, &value, Precondition::Any)).await;
                let read = store.get(&path(&at)).await.expect("the read works");
                assert!(read.at >= revision);
                assert_eq!(read.value.map(|found| found.value), Some(value.to_vec()));
                assert!(store.revision().await.expect("the read works") >= revision);
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no task fails");
    }
}

/// A thousand batches of puts, deletes and checks against the simplest thing that could do it.
pub async fn random_batches_do_what_they_do_to_a_plain_map(store: Arc<dyn Store>) {
    let mut numbers = Numbers(11);
    let mut model: BTreeMap<String, (Revision, Vec<u8>)> = BTreeMap::new();
    for round in 0..1000_u32 {
        let mut batch = Batch::new();
        let mut next = model.clone();
        let mut refused = None;
        let mut written = Vec::new();
        for _ in 0..=numbers.below(4) {
            let at = format!("{}/{}", numbers.below(3), numbers.below(4));
            let stands = model.get(&at).map(|(revision, _)| *revision);
            let precondition = match (numbers.below(8), stands) {
                (0, _) => Precondition::Absent,
                (1, _) => Precondition::At(Revision::new(3)),
                (2, _) => Precondition::Any,
                (_, Some(revision)) => Precondition::At(revision),
                (_, None) => Precondition::Absent,
            };
            let line = match numbers.below(5) {
                0 => batch.delete(path(&at), precondition),
                1 => batch.check(path(&at), precondition),
                _ => batch.put(path(&at), round.to_be_bytes().to_vec(), precondition),
            };
            if line.is_err() {
                continue;
            }
            let holds = match precondition {
                Precondition::Absent => stands.is_none(),
                Precondition::At(revision) => stands == Some(revision),
                Precondition::Any => true,
            };
            if !holds && refused.is_none() {
                refused = Some(path(&at));
            }
            written.push(at);
        }
        let operations = batch.changes().to_vec();
        match (store.commit(batch).await, refused) {
            (Ok(revision), None) => {
                for (at, change) in written.into_iter().zip(operations) {
                    match change.operation.value() {
                        Some(value) => {
                            next.insert(at, (revision, value.to_vec()));
                        }
                        None if change.operation == crate::batch::BatchOperation::Delete => {
                            next.remove(&at);
                        }
                        None => {}
                    }
                }
                model = next;
            }
            (answer, refused) => {
                let conflict = refused.map(|path| CommitError::Conflict { path });
                assert_eq!(answer.err(), conflict, "round {round}");
            }
        }
    }
    let all = entries(&store, "").await;
    let found: Vec<_> = all
        .into_iter()
        .map(|found| (found.path.to_string(), (found.revision, found.value)))
        .collect();
    assert_eq!(found, model.into_iter().collect::<Vec<_>>());
}

/// Neither is a change.
pub async fn probing_and_scrubbing_change_nothing(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"one", Precondition::Absent)).await;
    let health = store.probe().await.expect("a healthy store");
    assert_eq!(health.revision, first);
    assert_eq!(store.scrub().await, Ok(()));
    assert_eq!(store.revision().await, Ok(first));
    let found = entry(&store, "a").await.expect("it stands there");
    assert_eq!((found.revision, found.value), (first, b"one".to_vec()));
    let mut batch = Batch::new();
    let line = batch.delete(path("a"), Precondition::At(first));
    line.expect("within the limits");
    commit(&store, batch).await;
    assert_eq!(store.scrub().await, Ok(()));
    assert_eq!(entries(&store, "").await, []);
}
