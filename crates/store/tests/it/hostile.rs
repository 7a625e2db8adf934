//! A database file that somebody prepared, who has no key: what it brings with it is refused or
//! never runs.

use std::path::Path as FilePath;

use keyward_store::{
    batch::Precondition,
    error::StoreError,
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};
use rusqlite::Connection;

use crate::fixtures::{path, put};

fn open(folder: &FilePath) -> Result<Sqlite, StoreError> {
    Sqlite::open(SqliteOptions::new(folder.join("store.db")))
}

fn raw(folder: &FilePath) -> Connection {
    Connection::open(folder.join("store.db")).unwrap()
}

/// What opening a store says that was changed by this SQL.
fn refusal(sql: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    raw(folder.path()).execute_batch(sql).unwrap();
    open(folder.path()).unwrap_err().to_string()
}

#[test]
fn whatever_keyward_did_not_make_is_refused_and_named() {
    for (sql, what) in [
        (
            "CREATE TRIGGER undo AFTER UPDATE ON entry BEGIN DELETE FROM entry; END",
            "it has the trigger `undo`, which Keyward did not create",
        ),
        (
            "CREATE VIEW seen AS SELECT * FROM entry",
            "it has the view `seen`, which Keyward did not create",
        ),
        (
            "CREATE VIRTUAL TABLE words USING fts5 (word)",
            "it has the table `words`, which Keyward did not create",
        ),
        (
            "CREATE TABLE more (x)",
            "it has the table `more`, which Keyward did not create",
        ),
        (
            "CREATE INDEX by_revision ON entry (revision)",
            "it has the index `by_revision`, which Keyward did not create",
        ),
        (
            "ANALYZE",
            "it has the table `sqlite_stat1`, which Keyward did not create",
        ),
        (
            "ALTER TABLE entry RENAME TO other;
             CREATE VIEW entry AS SELECT * FROM other",
            "it has the view `entry`, which Keyward did not create",
        ),
        (
            "ALTER TABLE entry ADD COLUMN twice INTEGER AS (revision * 2) VIRTUAL",
            "its table `entry` was altered",
        ),
        (
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE', 'COLLATE NOCASE UNIQUE')
             WHERE name = 'entry'",
            "its table `entry` was altered",
        ),
        (
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM",
            "its page size is not 4096 bytes",
        ),
        (
            "PRAGMA auto_vacuum = FULL; VACUUM",
            "its encoding or its auto-vacuum mode was changed",
        ),
    ] {
        let refused = refusal(sql);
        let head = "the store is damaged, or the file is not a store: the database was altered: ";
        let expected = format!("{head}{what}: restore it from a backup");
        assert_eq!(refused, expected, "{sql}");
    }
}

#[test]
fn two_tables_in_one_place_are_refused() {
    let refused = refusal(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'entry')
         WHERE name = 'meta'",
    );
    let expected =
        "the store is damaged, or the file is not a store: database disk image is malformed";
    assert_eq!(refused, expected);
}

#[test]
fn a_schema_without_a_version_is_refused() {
    for version in ["0", "-1"] {
        let refused = refusal(&format!(
            "UPDATE meta SET value = {version} WHERE name = 'schema'"
        ));
        let expected = format!(
            "the store is damaged, or the file is not a store: the schema has version {version}"
        );
        assert_eq!(refused, expected);
    }
}

#[tokio::test]
async fn a_trigger_that_comes_while_the_store_is_open_never_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let first = store.commit(put("a", b"old", Precondition::Any)).await;
    raw(folder.path())
        .execute_batch(
            "CREATE TRIGGER undo AFTER UPDATE ON entry
             BEGIN UPDATE entry SET value = old.value WHERE path = old.path; END;
             CREATE TRIGGER keep BEFORE DELETE ON entry BEGIN SELECT raise(IGNORE); END",
        )
        .unwrap();
    let second = store.commit(put("a", b"new", Precondition::Any)).await;
    assert!(second.unwrap() > first.unwrap());
    let entry = store.get(&path("a")).await.unwrap().value.unwrap();
    assert_eq!(entry.value, b"new");
    let mut batch = keyward_store::batch::Batch::new();
    batch.delete(path("a"), Precondition::Any).unwrap();
    store.commit(batch).await.unwrap();
    assert!(store.get(&path("a")).await.unwrap().value.is_none());
}

#[tokio::test]
async fn a_value_longer_than_any_of_ours_is_not_read_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    raw(folder.path())
        .execute_batch(
            "INSERT INTO entry (path, revision, value) VALUES ('a', 1, zeroblob(100000000))",
        )
        .unwrap();
    let store = open(folder.path()).unwrap();
    let error = store.get(&path("a")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store failed: string or blob too big"
    );
}
