//! The tables, how a connection is set up, and which schemas are opened.

use std::{
    fs::{File, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path as FilePath,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior};

use super::{
    SqliteOptions, failed, guard,
    steps::{PAGE_BYTES, STEPS},
};
use crate::{error::StoreError, revision::Revision};

/// The schema that this release writes: as many as there are steps.
pub(super) const CURRENT: i64 = STEPS.len() as i64;

/// `KWRD`: tells a store from any other SQLite file.
const APPLICATION_ID: i32 = 0x4b57_5244;

/// Adds what tells a write-ahead log from that of another file (`foreign_log`) to a store that does not have it.
const MARKS: &str = "INSERT OR IGNORE INTO meta (name, value) VALUES
     ('id', random()), ('began', (SELECT value FROM meta WHERE name = 'revision'))";

/// Opens the connection that writes, and makes or migrates the store.
pub(super) fn open(options: &SqliteOptions) -> Result<Connection, StoreError> {
    create_private(&options.file)?;
    let mut connection = Connection::open_with_flags(&options.file, flags())?;
    guard::harden(&connection)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // Checked before anything is written, so that a file of another kind is not changed.
    let found = found(&connection)?;
    if found > CURRENT {
        return Err(StoreError::TooNew {
            found,
            supported: CURRENT,
        });
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Failed {
            detail: format!("the file system does not allow a write-ahead log, only `{mode}`"),
        });
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // `PRAGMA secure_delete = ON` answers a row.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    // A log that has grown by a large transaction shrinks at the next checkpoint.
    connection.query_row("PRAGMA journal_size_limit = 16777216", [], |_| Ok(()))?;
    let pages = options.max_bytes.map(|bytes| (bytes / PAGE_BYTES).max(1));
    if let Some(pages) = pages {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    if found < CURRENT {
        migrate(&mut connection, found)?;
        sync_folder(&options.file)?;
    }
    match connection.execute(MARKS, []).map_err(StoreError::from) {
        // It is done when there is room.
        Ok(_) | Err(StoreError::Full) => Ok(connection),
        Err(error) => Err(error),
    }
}

/// Opens a connection that only reads.
pub(super) fn open_reader(options: &SqliteOptions) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(&options.file, flags())?;
    guard::harden(&connection)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", "ON")?;
    guard::check_schema(&connection, STEPS.len())?;
    Ok(connection)
}

/// The newest revision in the store.
pub(super) fn revision(connection: &Connection) -> Result<Revision, StoreError> {
    Ok(revision_of(connection)?)
}

/// The newest revision that a snapshot shows.
pub(super) fn revision_of(connection: &Connection) -> rusqlite::Result<Revision> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'revision'")?
        .query_row([], |row| number(row, 0))
}

/// A revision in that column.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map(Revision::new)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// Opens a file, creating it if it is missing, and makes it accessible only to its owner: a
/// restored copy may be readable by others. SQLite gives its journal the mode of the database.
pub(super) fn create_private(file: &FilePath) -> Result<File, StoreError> {
    const OWNER_ONLY: u32 = 0o600;
    let open = || {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .open(file)?;
        if file.metadata()?.permissions().mode() & 0o7777 != OWNER_ONLY {
            file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        }
        Ok(file)
    };
    open().map_err(|error: std::io::Error| failed(&error))
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// The schema of the file; zero for an empty one.
fn found(connection: &Connection) -> Result<i64, StoreError> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if tables == 0 && id == 0 {
        return Ok(0);
    }
    if id != APPLICATION_ID {
        return Err(StoreError::Corrupt {
            detail: "the file is a database of another application".to_owned(),
        });
    }
    guard::check_kinds(connection)?;
    let sql = "SELECT value FROM meta WHERE name = 'schema'";
    let found = connection.query_row(sql, [], |row| row.get(0))?;
    match usize::try_from(found) {
        // The schema of a later version is not known here.
        Ok(version) if version > STEPS.len() => {}
        Ok(version) if version > 0 => guard::check_schema(connection, version)?,
        Ok(_) | Err(_) => {
            return Err(StoreError::Corrupt {
                detail: format!("the schema has version {found}"),
            });
        }
    }
    Ok(found)
}

/// All steps are one transaction: a crash leaves either the old schema or the new one.
fn migrate(connection: &mut Connection, found: i64) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    let sql = "UPDATE meta SET value = ?1 WHERE name = 'schema'";
    transaction.execute(sql, [CURRENT])?;
    Ok(transaction.commit()?)
}

/// Makes the name of a new file durable, too.
fn sync_folder(file: &FilePath) -> Result<(), StoreError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => FilePath::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(&error))
}
