//! Nothing that somebody did to the stored bytes goes unseen, and what was done is named.

use std::sync::Arc;

use keyward_store::{
    batch::{Batch, Precondition},
    boxed::BoxFuture,
    error::{CommitError, LimitError, StoreError},
    feed::Feed,
    memory::Memory,
    path::{Path, Prefix},
    revision::Revision,
    sealed::{Purpose, Sealed, SealedError, keys::SealKeyId, value::MAX_CONTENT_BYTES},
    stamp::Stamp,
    store::{Entry, Health, Read, Store},
};
use keyward_types::store_id::StoreId;
use proptest::prelude::*;

use crate::fixtures::{path, put, seal_keys, seal_keys_of, sealed};

const KIND: Purpose = Purpose::new(3);

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::default())
}

async fn write(sealed: &Sealed, at: &str, content: &[u8]) {
    let mut batch = sealed.batch();
    batch
        .put(path(at), KIND, content, Precondition::Any)
        .unwrap();
    sealed.commit(batch).await.unwrap();
}

async fn stored(store: &Arc<dyn Store>, at: &str) -> Vec<u8> {
    store.get(&path(at)).await.unwrap().value.unwrap().value
}

#[tokio::test]
async fn a_record_is_read_back_with_the_generation_that_its_batch_named() {
    let sealed = sealed(memory());
    let mut batch = sealed.batch();
    let generation = batch
        .put(path("a"), KIND, b"content", Precondition::Absent)
        .unwrap();
    batch.delete(path("b"), Precondition::Any).unwrap();
    batch.check(path("c"), Precondition::Absent).unwrap();
    let written = [(path("a"), Some(generation)), (path("b"), None)];
    assert_eq!(batch.written(), written);
    let revision = sealed.commit(batch).await.unwrap();
    let record = sealed.get(&path("a")).await.unwrap().value.unwrap();
    assert_eq!(record.bytes(), b"content");
    assert_eq!((record.revision, record.generation), (revision, generation));
    assert_eq!(record.bytes_of(KIND).unwrap(), b"content");
    let other = Purpose::new(4);
    assert_eq!(
        record.bytes_of(other).unwrap_err().to_string(),
        "the record at `a` is of kind 3, not 4"
    );
    assert!(sealed.get(&path("b")).await.unwrap().value.is_none());
}

#[tokio::test]
async fn the_engine_sees_neither_contents_nor_equalities() {
    let store = memory();
    let sealed = sealed(Arc::clone(&store));
    write(&sealed, "a", b"the same plain content").await;
    write(&sealed, "b", b"the same plain content").await;
    let (a, b) = (stored(&store, "a").await, stored(&store, "b").await);
    assert!(!a.windows(5).any(|window| window == b"plain"));
    assert_ne!(a[22..], b[22..]);
}

#[tokio::test]
async fn flipping_any_bit_of_a_value_is_detected_and_names_its_path() {
    let store = memory();
    let sealed = sealed(Arc::clone(&store));
    write(&sealed, "a/b", b"content").await;
    let genuine = stored(&store, "a/b").await;
    for at in 0..genuine.len() {
        for bit in 0..8 {
            let mut altered = genuine.clone();
            altered[at] ^= 1 << bit;
            let batch = put("a/b", &altered, Precondition::Any);
            store.commit(batch).await.unwrap();
            let error = sealed.get(&path("a/b")).await.unwrap_err();
            assert_eq!(error.path(), Some(&path("a/b")), "byte {at} bit {bit}");
            let all = Prefix::all();
            let of_range = sealed.range(&all, None, 10).await.unwrap_err();
            assert_eq!(of_range, error);
        }
    }
    store
        .commit(put("a/b", &genuine, Precondition::Any))
        .await
        .unwrap();
    assert!(sealed.get(&path("a/b")).await.is_ok());
}

#[tokio::test]
async fn a_record_of_another_store_does_not_open_even_under_the_same_keys() {
    let store = memory();
    let of = |id| {
        let keys = seal_keys_of(StoreId::from_bytes([id; 16]), 1);
        Sealed::new(Arc::clone(&store), keys)
    };
    let (own, other) = (of(1), of(2));
    assert_eq!(own.store_id(), StoreId::from_bytes([1; 16]));
    write(&other, "a", b"content").await;
    assert!(other.get(&path("a")).await.is_ok());
    let error = own.get(&path("a")).await.unwrap_err();
    assert_eq!(error, SealedError::Tampered { path: path("a") });
}

#[tokio::test]
async fn cutting_or_lengthening_a_value_is_detected() {
    let store = memory();
    let sealed = sealed(Arc::clone(&store));
    write(&sealed, "a", b"content").await;
    let genuine = stored(&store, "a").await;
    let mut cases: Vec<Vec<u8>> = (0..genuine.len())
        .map(|end| genuine[..end].to_vec())
        .collect();
    cases.push([genuine.as_slice(), &[0]].concat());
    for altered in cases {
        store
            .commit(put("a", &altered, Precondition::Any))
            .await
            .unwrap();
        let error = sealed.get(&path("a")).await.unwrap_err();
        assert_eq!(error, SealedError::Tampered { path: path("a") });
    }
}

#[tokio::test]
async fn a_value_copied_under_another_path_is_refused_and_named() {
    let store = memory();
    let sealed = sealed(Arc::clone(&store));
    write(&sealed, "key/one", b"disabled").await;
    write(&sealed, "key/two", b"enabled").await;
    let two = stored(&store, "key/two").await;
    for at in ["key/one", "key/three"] {
        store
            .commit(put(at, &two, Precondition::Any))
            .await
            .unwrap();
        let error = sealed.get(&path(at)).await.unwrap_err();
        assert_eq!(error, SealedError::Tampered { path: path(at) });
    }
    assert_eq!(
        sealed.get(&path("key/one")).await.unwrap_err().to_string(),
        "the record at `key/one` was altered, or belongs to another path"
    );
    assert!(sealed.get(&path("key/two")).await.is_ok());
}

#[tokio::test]
async fn a_rewrapped_record_keeps_its_generation_under_the_new_key() {
    let store = memory();
    let old = Sealed::new(Arc::clone(&store), seal_keys(1));
    write(&old, "a", b"content").await;
    let first = stored(&store, "a").await;

    let rotated = Sealed::new(Arc::clone(&store), seal_keys(2));
    let record = rotated.get(&path("a")).await.unwrap().value.unwrap();
    assert_eq!(record.sealed_by.version, 1);
    let mut batch = rotated.batch();
    batch.rewrap(&record).unwrap();
    rotated.commit(batch).await.unwrap();
    let again = rotated.get(&path("a")).await.unwrap().value.unwrap();
    assert_eq!(again.sealed_by.version, 2);
    assert_eq!(again.generation, record.generation);
    assert_eq!((again.bytes(), again.purpose), (record.bytes(), KIND));
    assert_ne!(stored(&store, "a").await[50..], first[50..]);

    // Somebody wrote meanwhile: the rewrapping must not undo it.
    let mut batch = rotated.batch();
    batch.rewrap(&record).unwrap();
    assert!(rotated.commit(batch).await.is_err());

    let key = SealKeyId {
        id: [0xee; 16],
        version: 2,
    };
    let unknown = SealedError::UnknownKey {
        path: path("a"),
        key,
    };
    assert_eq!(old.get(&path("a")).await.unwrap_err(), unknown);
    assert_eq!(
        unknown.to_string(),
        "the record at `a` names an unknown seal key, \
         eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee version 2"
    );
}

#[tokio::test]
async fn a_content_one_byte_too_long_is_refused() {
    let sealed = sealed(memory());
    let mut batch = sealed.batch();
    let most = vec![1; MAX_CONTENT_BYTES];
    batch
        .put(path("a"), KIND, &most, Precondition::Any)
        .unwrap();
    let over = vec![1; MAX_CONTENT_BYTES + 1];
    assert_eq!(
        batch.put(path("b"), KIND, &over, Precondition::Any),
        Err(LimitError::Value {
            path: path("b"),
            bytes: 262_145
        })
    );
    assert_eq!(batch.written().len(), 1);
    assert!(sealed.commit(batch).await.is_ok());
    let record = sealed.get(&path("a")).await.unwrap().value.unwrap();
    assert_eq!(record.bytes(), most);
}

#[test]
fn records_and_keys_print_no_content() {
    let sealed = sealed(memory());
    let shown = format!("{sealed:?} {:?}", seal_keys(2));
    assert!(
        !shown.contains("170") && !shown.contains("[2, 2"),
        "{shown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_to_the_same(
        content in proptest::collection::vec(any::<u8>(), 0..2000),
        purpose: u8,
        at in "[!-.0-~]{1,40}(/[!-.0-~]{1,40}){0,4}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sealed = sealed(memory());
            let mut batch = sealed.batch();
            let kind = Purpose::new(purpose);
            batch.put(path(&at), kind, &content, Precondition::Absent).unwrap();
            sealed.commit(batch).await.unwrap();
            let record = sealed.get(&path(&at)).await.unwrap().value.unwrap();
            assert_eq!(record.bytes_of(kind).unwrap(), content);
        });
    }
}

/// An engine whose index leads elsewhere: asked for `a`, it answers `b`.
#[derive(Debug)]
struct Lying(Arc<dyn Store>);

impl Store for Lying {
    fn revision(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        self.0.revision()
    }

    fn get<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, Result<Read<Option<Entry>>, StoreError>> {
        Box::pin(async { self.0.get(&path("b")).await })
    }

    fn range<'a>(
        &'a self,
        _: &'a Prefix,
        _: Option<&'a Path>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Read<Vec<Entry>>, StoreError>> {
        Box::pin(async move { self.0.range(&Prefix::all(), None, limit).await })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, CommitError>> {
        self.0.commit(batch)
    }

    fn stamp(&self, stamp: Arc<dyn Stamp>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.stamp(stamp)
    }

    fn changes(&self, from: Revision) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>> {
        self.0.changes(from)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, StoreError>> {
        self.0.probe()
    }

    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.scrub()
    }
}

#[tokio::test]
async fn a_genuine_record_is_not_taken_for_another_that_was_asked_for() {
    let store = memory();
    let honest = sealed(Arc::clone(&store));
    for at in ["a", "b", "c/d"] {
        write(&honest, at, b"content").await;
    }
    let lying = sealed(Arc::new(Lying(store)));
    assert!(lying.get(&path("b")).await.is_ok());
    let error = lying.get(&path("a")).await.unwrap_err();
    assert_eq!(error, SealedError::Tampered { path: path("a") });
    // Outside the prefix, and before where the page begins.
    let below = Prefix::parse("c/").unwrap();
    let error = lying.range(&below, None, 10).await.unwrap_err();
    assert_eq!(error, SealedError::Tampered { path: path("a") });
    let error = lying.range(&Prefix::all(), Some(&path("b")), 10).await;
    let expected = SealedError::Tampered { path: path("a") };
    assert_eq!(error.unwrap_err(), expected);
}
