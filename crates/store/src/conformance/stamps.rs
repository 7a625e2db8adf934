//! What goes with every transaction, and revisions that are leapt over.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{commit, conflict, entry, path, put};
use crate::{
    batch::{Batch, Precondition},
    feed::Progress,
    log::FeedOptions,
    path::Path,
    revision::Revision,
    stamp::Stamp,
    store::Store,
};

/// How the store of these tests is opened.
pub fn options() -> FeedOptions {
    FeedOptions::default()
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Stamp for Told {
    fn put(&self, path: &Path, value: &[u8]) {
        let text = format!("put {path} {}", String::from_utf8_lossy(value));
        self.0.lock().push(text);
    }

    fn entry(&self, revision: Revision) -> (Path, Vec<u8>) {
        self.0.lock().push(format!("entry {revision}"));
        (path("stamp"), revision.to_string().into_bytes())
    }

    fn settled(&self, kept: bool) {
        self.0.lock().push(format!("settled {kept}"));
    }
}

/// It names the revision of the store, and is no change of its own.
pub async fn a_stamp_goes_with_every_transaction_that_writes(store: Arc<dyn Store>) {
    let told = Arc::new(Told::default());
    let stamp = Arc::clone(&told) as Arc<dyn Stamp>;
    store.stamp(stamp).await.expect("the engine takes it");
    let mut feed = store.changes(Revision::new(0)).await.expect("a feed");
    let first = commit(&store, put("a", b"one", Precondition::Absent)).await;
    assert_eq!(told.take(), ["put a one", "entry 1", "settled true"]);
    let found = entry(&store, "stamp").await.expect("it stands there");
    assert_eq!((found.revision, found.value), (first, b"1".to_vec()));
    let changes = match feed.next().await.expect("changes") {
        Progress::Changes { changes, .. } => changes,
        Progress::Compacted { .. } => Vec::new(),
    };
    let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["a"]);
    // What is refused, and what only checks, has none.
    let refused = conflict(&store, put("a", b"two", Precondition::Absent)).await;
    assert_eq!(refused, Some(path("a")));
    let mut checks = Batch::new();
    let line = checks.check(path("a"), Precondition::At(first));
    line.expect("within the limits");
    commit(&store, checks).await;
    let found = entry(&store, "stamp").await.expect("it stands there");
    assert_eq!(found.revision, first);
    assert!(!told.take().iter().any(|word| word.starts_with("entry")));
    // A removal writes.
    let mut removal = Batch::new();
    let line = removal.delete(path("a"), Precondition::Any);
    line.expect("within the limits");
    commit(&store, removal).await;
    assert_eq!(told.take(), ["entry 2", "settled true"]);
}

/// It need not write anything else.
pub async fn a_batch_may_raise_the_revision(store: Arc<dyn Store>) {
    let mut batch = Batch::new();
    batch.raise(Revision::new(0));
    assert_eq!(commit(&store, batch).await, Revision::new(1));
    let mut batch = put("a", b"one", Precondition::Absent);
    batch.raise(Revision::new(41));
    assert_eq!(commit(&store, batch).await, Revision::new(42));
    let found = entry(&store, "a").await.expect("it stands there");
    assert_eq!(found.revision, Revision::new(42));
    // Never back.
    let mut batch = Batch::new();
    batch.raise(Revision::new(7));
    assert_eq!(commit(&store, batch).await, Revision::new(43));
    assert_eq!(store.revision().await, Ok(Revision::new(43)));
}
