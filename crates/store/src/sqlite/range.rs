//! The entries under a prefix, page by page.

use rusqlite::{CachedStatement, Connection};

use super::entry;
use crate::{
    path::{Path, Prefix},
    store::Entry,
};

/// From the first path of a prefix on.
const FROM: &str = "SELECT path, revision, value FROM entry
                    WHERE path >= ?1 AND path < ?2 ORDER BY path LIMIT ?3";
/// After a path.
const AFTER: &str = "SELECT path, revision, value FROM entry
                     WHERE path > ?1 AND path < ?2 ORDER BY path LIMIT ?3";

/// Up to `limit` entries under `prefix` that come after `after`, in the order of the paths. The
/// cost of a page depends only on its entries, wherever it begins: SQLite seeks by a single lower
/// bound, so it gets only one.
pub(super) fn read(
    snapshot: &Connection,
    prefix: &Prefix,
    after: Option<&Path>,
    limit: i64,
) -> rusqlite::Result<Vec<Entry>> {
    select(snapshot, prefix, after, limit).map(|(_, entries)| entries)
}

fn select<'c>(
    snapshot: &'c Connection,
    prefix: &Prefix,
    after: Option<&Path>,
    limit: i64,
) -> rusqlite::Result<(CachedStatement<'c>, Vec<Entry>)> {
    // Paths are visible ASCII: DEL sorts after every path and is part of none.
    let end = format!("{prefix}\u{7f}");
    let after = after
        .map(Path::as_str)
        .filter(|after| *after >= prefix.as_str());
    let (sql, bound) = match after {
        Some(after) => (AFTER, after),
        None => (FROM, prefix.as_str()),
    };
    let mut statement = snapshot.prepare_cached(sql)?;
    let entries = statement
        .query_map((bound, end, limit), entry)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok((statement, entries))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_page_costs_what_stands_on_it_wherever_it_begins() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE entry (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,
                     revision INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
                 WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
                 INSERT INTO entry (path, revision, value) SELECT printf('a/%04d', i), 1, x'00' FROM n;",
            )
            .unwrap();
        let prefix = Prefix::parse("a/").unwrap();
        let page = |after: Option<&str>| {
            let after = after.map(|after| Path::parse(after).unwrap());
            let (statement, entries) = select(&connection, &prefix, after.as_ref(), 10).unwrap();
            let steps = statement.reset_status(StatementStatus::VmStep);
            (entries.first().unwrap().path.to_string(), steps)
        };
        for (after, first) in [
            (None, "a/0000"),
            (Some("A/before"), "a/0000"),
            (Some("a/0009"), "a/0010"),
            (Some("a/4000"), "a/4001"),
            (Some("a/4989"), "a/4990"),
        ] {
            let (found, steps) = page(after);
            assert_eq!(found, first);
            assert!(steps < 300, "{steps} steps after {after:?}");
        }
    }
}
