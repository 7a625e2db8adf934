//! A file that was restored beside the write-ahead log of another one.

use std::{
    fs,
    path::{Path as FilePath, PathBuf},
};

use keyward_store::{
    batch::Precondition,
    error::StoreError,
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};

use crate::fixtures::{path, put};

fn open(folder: &FilePath) -> Result<Sqlite, StoreError> {
    Sqlite::open(SqliteOptions::new(folder.join("store.db")))
}

async fn write(store: &Sqlite, number: u64) {
    let batch = put("a/b", &number.to_be_bytes(), Precondition::Any);
    store.commit(batch).await.unwrap();
}

/// The files as they are when the process is killed now.
fn killed(folder: &FilePath) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
    (read("store.db"), read("store.db-wal"))
}

/// A directory with these files.
fn directory((file, log): (&[u8], &[u8])) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("store.db"), file).unwrap();
    if !log.is_empty() {
        fs::write(folder.path().join("store.db-wal"), log).unwrap();
    }
    folder
}

fn log(folder: &FilePath) -> PathBuf {
    folder.join("store.db-wal")
}

fn assert_foreign(file: &[u8], other: &[u8]) {
    let restored = directory((file, other));
    let folder = restored.path();
    let expected = StoreError::ForeignLog { log: log(folder) };
    assert_eq!(open(folder).unwrap_err(), expected);
    assert_eq!(
        killed(folder),
        (file.to_vec(), other.to_vec()),
        "nothing is changed"
    );
}

#[tokio::test]
async fn an_older_file_beside_a_newer_log_is_refused_until_the_log_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 1).await;
    store.scrub().await.unwrap();
    let (backup, _) = killed(folder.path());
    write(&store, 2).await;
    store.scrub().await.unwrap();
    write(&store, 3).await;
    let (_, newer) = killed(folder.path());
    assert_foreign(&backup, &newer);
    let restored = directory((&backup, &newer));
    let said = open(restored.path()).unwrap_err().to_string();
    let text = format!(
        "{} belongs to another store or to another state of this one: if the store was restored from a backup, remove that file and the one ending in -shm beside it; otherwise bring back the store that they belong to",
        log(restored.path()).display()
    );
    assert_eq!(said, text);
    fs::remove_file(log(restored.path())).unwrap();
    let store = open(restored.path()).unwrap();
    let found = store.get(&path("a/b")).await.unwrap().value.unwrap();
    assert_eq!(found.value, 1u64.to_be_bytes());
}

#[tokio::test]
async fn a_newer_file_beside_an_older_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 1).await;
    let (_, older) = killed(folder.path());
    write(&store, 2).await;
    store.scrub().await.unwrap();
    let (newer, _) = killed(folder.path());
    assert_foreign(&newer, &older);
}

#[tokio::test]
async fn the_log_of_another_store_is_refused_though_its_revisions_fit() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut files = Vec::new();
    for folder in [&one, &other] {
        let store = open(folder.path()).unwrap();
        write(&store, 1).await;
        store.scrub().await.unwrap();
        write(&store, 2).await;
        files.push(killed(folder.path()));
    }
    assert_foreign(&files[0].0, &files[1].1);
}

/// Whenever a server is killed, its own log is taken. Beside it, each copy of the file is refused that was made before the
/// log began; one that was made later becomes the newest state.
#[tokio::test]
async fn a_log_is_taken_beside_its_own_file_whenever_that_was_copied() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let mut copies: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut began = 0;
    for number in 1..=60 {
        write(&store, number).await;
        if number % 3 == 0 {
            store.probe().await.unwrap();
        }
        if number % 7 == 0 {
            store.scrub().await.unwrap();
            began = number;
            copies.push((number, killed(folder.path()).0));
            if number % 2 == 0 {
                // The first commit of the next log changes nothing.
                store.probe().await.unwrap();
            }
        }
        let (file, log) = killed(folder.path());
        let crashed = directory((&file, &log));
        let found = open(crashed.path()).unwrap();
        let found = found.get(&path("a/b")).await.unwrap().value.unwrap();
        assert_eq!(found.value, number.to_be_bytes());
        if log.is_empty() {
            continue;
        }
        for (at, copy) in &copies {
            if *at < began {
                assert_foreign(copy, &log);
            } else {
                let restored = directory((copy, &log));
                assert!(open(restored.path()).is_ok(), "{at} of {number}");
            }
        }
    }
}

#[tokio::test]
async fn a_store_of_an_earlier_release_gets_what_tells_its_logs_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 1).await;
    drop(store);
    let raw = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    raw.execute("DELETE FROM meta WHERE name IN ('id', 'began')", [])
        .unwrap();
    drop(raw);
    let (backup, _) = killed(folder.path());
    let store = open(folder.path()).unwrap();
    write(&store, 2).await;
    store.scrub().await.unwrap();
    write(&store, 3).await;
    let (_, log) = killed(folder.path());
    assert_foreign(&backup, &log);
}

#[tokio::test]
async fn a_damaged_log_is_left_to_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 1).await;
    store.scrub().await.unwrap();
    let (backup, _) = killed(folder.path());
    write(&store, 2).await;
    let (_, whole) = killed(folder.path());
    for at in [0, 8, 17, 30, 40, 60, 1000] {
        let mut log = whole.clone();
        log[at] ^= 1;
        let restored = directory((&backup, &log));
        let store = open(restored.path()).unwrap();
        let found = store.get(&path("a/b")).await.unwrap().value.unwrap();
        assert_eq!(found.value, 1u64.to_be_bytes(), "byte {at}");
    }
    for length in [0, 16, 32, 100, 4000] {
        let restored = directory((&backup, &whole[..length]));
        assert!(open(restored.path()).is_ok(), "{length} bytes");
    }
}
