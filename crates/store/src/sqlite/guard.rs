//! Protection against a manipulated database file. Whoever can write to the file can add more than
//! records: triggers that undo later changes, views and virtual tables instead of tables, computed
//! columns, another collation. Therefore the schema must be Keyward's, word for word, and
//! connections run nothing that a schema contains.

use rusqlite::{Connection, OptionalExtension, config::DbConfig, limits::Limit};

use super::steps::{PAGE_BYTES, STEPS};
use crate::{batch::MAX_BATCH_BYTES, error::StoreError};

/// Prepares a connection before it reads the schema.
pub(super) fn harden(connection: &Connection) -> Result<(), StoreError> {
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        if connection.set_db_config(setting, on)? != on {
            return Err(StoreError::Failed {
                detail: format!("SQLite does not take {setting:?} = {on}"),
            });
        }
    }
    // No value is that long. If a file claims to have one, no memory must be reserved for it.
    let longest = i32::try_from(MAX_BATCH_BYTES).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    // The file itself can suggest a size.
    connection.pragma_update(None, "cache_size", -2000)?;
    // A copy in memory has no file, and answers nothing.
    let unmapped = connection.query_row("PRAGMA mmap_size = 0", [], |_| Ok(()));
    unmapped.optional()?;
    Ok(())
}

/// Refuses a file with anything that would run by itself, whichever version wrote it.
pub(super) fn check_kinds(connection: &Connection) -> Result<(), StoreError> {
    for object in objects(connection)? {
        let ordinary = match object.kind.as_str() {
            "table" => object.rootpage > 1,
            "index" => true,
            _ => false,
        };
        if !ordinary {
            return Err(foreign(&object));
        }
    }
    Ok(())
}

/// Refuses a file whose schema is not the one of that version, word for word, or whose layout is
/// not the one that Keyward chose.
pub(super) fn check_schema(connection: &Connection, version: usize) -> Result<(), StoreError> {
    let made = Connection::open_in_memory()?;
    for step in STEPS.iter().take(version) {
        made.execute_batch(step)?;
    }
    let (found, expected) = (objects(connection)?, objects(&made)?);
    let same = |one: &Object, other: &Object| one.kind == other.kind && one.name == other.name;
    for object in &found {
        match expected.iter().find(|known| same(known, object)) {
            Some(known) if known.table == object.table && known.sql == object.sql => {}
            Some(_) => return Err(altered(&format!("its {object} was altered"))),
            None => return Err(foreign(object)),
        }
    }
    for known in &expected {
        if found.iter().filter(|object| same(object, known)).count() != 1 {
            return Err(altered(&format!("it does not have exactly one {known}")));
        }
    }
    check_layout(connection)
}

fn check_layout(connection: &Connection) -> Result<(), StoreError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, u32>(0));
    let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    if u64::from(number("PRAGMA page_size")?) != PAGE_BYTES {
        return Err(altered(&format!("its page size is not {PAGE_BYTES} bytes")));
    }
    if encoding != "UTF-8" || number("PRAGMA auto_vacuum")? != 0 {
        return Err(altered("its encoding or its auto-vacuum mode was changed"));
    }
    Ok(())
}

/// A line of `sqlite_schema`.
struct Object {
    kind: String,
    name: String,
    table: String,
    rootpage: i64,
    sql: Option<String>,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}

/// More lines than the schema of any version has.
const MAX_OBJECTS: i64 = 100;

fn objects(connection: &Connection) -> Result<Vec<Object>, StoreError> {
    let sql = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let objects = statement.query_map([MAX_OBJECTS], |row| {
        Ok(Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            table: row.get(2)?,
            rootpage: row.get(3)?,
            sql: row.get(4)?,
        })
    })?;
    Ok(objects.collect::<Result<_, _>>()?)
}

fn foreign(object: &Object) -> StoreError {
    altered(&format!(
        "it has the {object}, which Keyward did not create"
    ))
}

fn altered(what: &str) -> StoreError {
    StoreError::Corrupt {
        detail: format!("the database was altered: {what}: restore it from a backup"),
    }
}
