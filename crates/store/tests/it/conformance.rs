//! Every engine against the suite of the trait.

use std::sync::Arc;

use keyward_store::{
    conformance::TestStore,
    log::FeedOptions,
    memory::Memory,
    sqlite::{Sqlite, SqliteOptions},
};

keyward_store::store_conformance!(memory, super::open_memory);
keyward_store::store_conformance!(sqlite, super::open_sqlite);

fn open_memory(feed: FeedOptions) -> TestStore {
    TestStore {
        store: Arc::new(Memory::new(feed)),
        keep: Box::new(()),
    }
}

fn open_sqlite(feed: FeedOptions) -> TestStore {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut options = SqliteOptions::new(folder.path().join("store.db"));
    options.feed = feed;
    TestStore {
        store: Arc::new(Sqlite::open(options).expect("a new store opens")),
        keep: Box::new(folder),
    }
}
