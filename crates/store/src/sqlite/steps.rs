//! What the schema of each version is made of.

/// SQLite's own default, which an existing file keeps.
pub(super) const PAGE_BYTES: u64 = 4096;

/// What leads from each schema to the next; the first makes an empty file a store. Steps that
/// were released are never edited.
pub(super) const STEPS: [&str; 1] = [
    // Values lie in a table in the order they were first written and only their paths in an
    // index: a batch dirties few pages however its paths are strewn.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE entry (
         id INTEGER PRIMARY KEY,
         path TEXT NOT NULL UNIQUE,
         revision INTEGER NOT NULL,
         value BLOB NOT NULL
     ) STRICT;
     INSERT INTO meta (name, value) VALUES ('schema', 1), ('revision', 0), ('probe', 0);",
];
