//! What the tests of this crate build on.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use keyward_crypto::secret::arena::Arena;
use keyward_store::{
    batch::{Batch, Precondition},
    path::Path,
    sealed::{
        Sealed,
        keys::{SealKey, SealKeyId, SealKeys},
    },
    store::Store,
};
use keyward_types::{
    store_id::StoreId,
    time::{Clock, Monotonic, Timestamp},
};

pub fn path(text: &str) -> Path {
    Path::parse(text).expect("the tests' paths are good")
}

pub fn put(at: &str, value: &[u8], precondition: Precondition) -> Batch {
    let mut batch = Batch::new();
    batch
        .put(path(at), value.to_vec(), precondition)
        .expect("within the limits");
    batch
}

/// Keys of which the newest of `versions` seals.
pub fn seal_keys(versions: u32) -> Arc<SealKeys> {
    seal_keys_of(StoreId::from_bytes([0xdd; 16]), versions)
}

/// The same keys in the hands of that store.
pub fn seal_keys_of(store: StoreId, versions: u32) -> Arc<SealKeys> {
    let (arena, _) = Arena::new(16 * 1024).expect("a small arena");
    let mut all: Vec<SealKey> = (1..=versions)
        .map(|version| {
            let secret = [version as u8; 32];
            let id = SealKeyId {
                id: [0xee; 16],
                version,
            };
            let secret = arena.store_bytes(&secret).expect("there is room");
            SealKey::new(id, secret).expect("32 bytes")
        })
        .collect();
    let current = all.pop().expect("at least one version");
    let name_key = arena.store_bytes(&[0xaa; 32]).expect("there is room");
    Arc::new(SealKeys::new(store, current, all, name_key).expect("32 bytes"))
}

pub fn sealed(store: Arc<dyn Store>) -> Sealed {
    Sealed::new(store, seal_keys(1))
}

/// A clock that tests move.
#[derive(Debug, Default)]
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(self.0.load(Ordering::SeqCst))
    }
}
