//! The schema of each version.

/// SQLite's own default, which an existing file keeps.
pub(super) const PAGE_BYTES: u64 = 4096;

/// The steps from each schema to the next; the first one turns an empty file into a store. Released
/// steps are never edited.
pub(super) const STEPS: [&str; 1] = [
    // Values are in a table in the order in which they were first written, and only their paths are
    // in an index: so a batch changes few pages, however scattered its paths are.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE entry (
         id INTEGER PRIMARY KEY,
         path TEXT NOT NULL UNIQUE,
         revision INTEGER NOT NULL,
         value BLOB NOT NULL
     ) STRICT;
     INSERT INTO meta (name, value) VALUES ('schema', 1), ('revision', 0), ('probe', 0);",
];
