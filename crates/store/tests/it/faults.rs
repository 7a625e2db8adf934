//! Stores that cannot be opened, and stores that fail while they are open.

use std::path::Path as FilePath;

use keyward_store::{
    batch::{Batch, Precondition},
    error::{CommitError, StoreError},
    path::Prefix,
    revision::Revision,
    sqlite::{SCHEMA, Sqlite, SqliteOptions},
    store::Store,
};
use rusqlite::Connection;

use crate::fixtures::{path, put};

fn open(folder: &FilePath) -> Result<Sqlite, StoreError> {
    Sqlite::open(SqliteOptions::new(folder.join("store.db")))
}

#[tokio::test]
async fn a_store_opened_again_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3_u64 {
        let store = open(folder.path()).unwrap();
        assert_eq!(store.revision().await, Ok(Revision::new(round)));
        let at = round.to_string();
        let revision = store.commit(put(&at, b"x", Precondition::Absent)).await;
        assert_eq!(revision, Ok(Revision::new(round + 1)));
        let all = store.range(&Prefix::all(), None, 10).await.unwrap();
        assert_eq!(all.value.len() as u64, round + 1);
    }
}

#[tokio::test]
async fn a_store_in_use_is_refused_to_others_and_free_again_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(open(folder.path()).unwrap_err(), StoreError::InUse);
    assert_eq!(
        StoreError::InUse.to_string(),
        "the store is in use by another process"
    );
    drop(store);
    assert!(open(folder.path()).is_ok());
}

#[test]
fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _store = open(folder.path()).unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"];
    assert_eq!(names, expected);
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let raw = Connection::open(folder.path().join("store.db")).unwrap();
    let newer = SCHEMA + 1;
    raw.execute("UPDATE meta SET value = ?1 WHERE name = 'schema'", [newer])
        .unwrap();
    drop(raw);
    let error = open(folder.path()).unwrap_err();
    assert_eq!(
        error,
        StoreError::TooNew {
            found: newer,
            supported: SCHEMA
        }
    );
    assert_eq!(
        error.to_string(),
        format!(
            "the store has schema {newer}, but this version reads only up to {SCHEMA}: use a newer version"
        )
    );
}

#[test]
fn another_applications_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let raw = Connection::open(&file).unwrap();
    raw.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    drop(raw);
    let before = std::fs::read(&file).unwrap();
    assert_eq!(
        open(folder.path()).unwrap_err().to_string(),
        "the store is damaged, or the file is not a store: the file is a database of another application"
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_of_rubbish_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.db"), vec![b'x'; 10_000]).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_folder_that_is_missing_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_page_is_an_error_and_never_another_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = open(folder.path()).unwrap();
    for number in 0..40_u8 {
        let mut batch = Batch::new();
        for line in 0..10 {
            let at = path(&format!("{number:03}/{line}"));
            batch.put(at, vec![number; 700], Precondition::Any).unwrap();
        }
        store.commit(batch).await.unwrap();
    }
    drop(store);
    let mut bytes = std::fs::read(&file).unwrap();
    // The headers of all pages after the first four: what a b-tree page is known by.
    for page in bytes.chunks_mut(4096).skip(4) {
        page[..16].fill(0xff);
    }
    std::fs::write(&file, bytes).unwrap();

    let store = open(folder.path()).unwrap();
    let mut corrupt = 0;
    for number in 0..40_u8 {
        match store.get(&path(&format!("{number:03}/0"))).await {
            Ok(read) => assert!(read.value.is_none_or(|entry| entry.value == [number; 700])),
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
                corrupt += 1;
            }
        }
    }
    assert!(corrupt > 0);
    assert!(matches!(
        store.check().await,
        Err(StoreError::Corrupt { .. })
    ));
    // Having met the damage, the writer stops rather than make it worse.
    let mut refused = None;
    for number in 0..40_u8 {
        let batch = put(&format!("{number:03}/0"), b"new", Precondition::Any);
        if let Err(error) = store.commit(batch).await {
            refused = Some(error);
            break;
        }
    }
    let Some(CommitError::Store(StoreError::Corrupt { .. })) = refused else {
        panic!("{refused:?}");
    };
    let later = store.commit(put("later", b"", Precondition::Any)).await;
    assert_eq!(later.err(), refused);
    assert!(store.probe().await.is_err(), "readiness is red");
}

#[tokio::test]
async fn a_full_store_refuses_writes_answers_reads_and_recovers_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("store.db"));
    options.max_bytes = Some(400 * 1024);
    let store = Sqlite::open(options).unwrap();
    let before = store.probe().await.unwrap().available_bytes.unwrap();
    assert!(before < 400 * 1024, "the limit counts as the disk's end");
    let mut kept = 0;
    let refused = loop {
        let at = format!("n/{kept:04}");
        match store
            .commit(put(&at, &[7; 8000], Precondition::Absent))
            .await
        {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, CommitError::Store(StoreError::Full));
    assert_eq!(
        refused.to_string(),
        "the store has no room left to write: free space on its disk"
    );
    assert!(kept > 20);
    let all = Prefix::parse("n/").unwrap();
    let read = store.range(&all, None, 1000).await.unwrap();
    assert_eq!(read.value.len(), kept, "what was refused left nothing");
    assert_eq!(store.revision().await, Ok(read.at));
    let left = store.probe().await.unwrap().available_bytes.unwrap();
    assert!(left < 3 * 8000, "readiness can see it coming: {left}");

    for number in 0..10 {
        let mut batch = Batch::new();
        let at = path(&format!("n/{number:04}"));
        batch.delete(at, Precondition::Any).unwrap();
        store.commit(batch).await.unwrap();
    }
    let again = store
        .commit(put("again", &[7; 8000], Precondition::Absent))
        .await;
    assert_eq!(again, Ok(Revision::new(read.at.number() + 11)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_conflicts_does_not_disturb_those_committed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(open(folder.path()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = std::sync::Arc::clone(&store);
        tasks.spawn(async move {
            // Every second one wants the same path.
            let at = if number % 2 == 0 {
                "same".to_owned()
            } else {
                format!("own/{number}")
            };
            let answer = store
                .commit(put(&at, at.as_bytes(), Precondition::Absent))
                .await;
            (number % 2 == 0, answer)
        });
    }
    let mut same = 0;
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            (true, Ok(_)) => same += 1,
            (true, Err(error)) => assert_eq!(error, CommitError::Conflict { path: path("same") }),
            (false, answer) => assert!(answer.is_ok()),
        }
    }
    assert_eq!(same, 1);
    assert_eq!(store.revision().await, Ok(Revision::new(101)));
}
