//! The ledger: what the store and the trail record about each other, sealed into the store as the
//! trail's head in every transaction.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use keyward_store::{
    path::Path,
    revision::Revision,
    sealed::{self, Generation, keys::SealKeys, value},
    stamp::Stamp,
};
use keyward_trail::{
    chain::{Chain, Copied},
    frontier::Frontier,
    head::{ChainHead, Head},
};
use parking_lot::Mutex;

use crate::directory::purpose;

pub mod keep;

/// What the store and the trail record about each other while a server runs.
///
/// Every transaction of the store seals a [`Head`] with what the ledger has then.
#[derive(Debug)]
pub struct Ledger {
    path: Path,
    keys: Arc<SealKeys>,
    chain: Chain,
    frontier: Arc<Frontier>,
    /// Whether events of changes wait for the trail to be on disk.
    awaited: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    first: u64,
    /// With what the current transaction adds.
    next: Head,
    kept: Head,
}

impl Ledger {
    /// The ledger of a store whose head is known. `keys` seal it at `path`.
    pub fn new(path: Path, keys: Arc<SealKeys>, chain: Chain, head: Head) -> Arc<Self> {
        Arc::new(Self {
            path,
            keys,
            chain,
            frontier: Frontier::new(&head),
            awaited: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                first: head.chain.first,
                next: head,
                kept: head,
            }),
        })
    }

    /// How far the trail and the store have come.
    pub fn frontier(&self) -> &Arc<Frontier> {
        &self.frontier
    }

    /// The head that is in the store.
    pub fn head(&self) -> Head {
        self.inner.lock().kept
    }

    /// Whether the store's head does not show yet how far the trail is on disk.
    pub fn is_behind(&self) -> bool {
        self.head().chain.end.at < self.frontier.synced().at
    }

    /// Says whether events wait in the outbox only for the trail to be on disk.
    pub fn await_disk(&self, awaited: bool) {
        self.awaited.store(awaited, Ordering::Release);
    }

    /// Whether they do.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// Accepts what is left of the trail and of the outbox as complete, for an operator who accepts
    /// a loss; the next commit seals it.
    pub fn accept(&self, chain: ChainHead, made: Copied) {
        let mut inner = self.inner.lock();
        inner.first = chain.first;
        inner.kept.made = made;
        inner.next.made = made;
        self.frontier.reset(chain.end);
    }

    /// What an event of that generation adds to a sum.
    pub fn weight(&self, generation: Generation) -> u128 {
        self.chain.weight(generation.as_bytes())
    }
}

impl Stamp for Ledger {
    fn put(&self, path: &Path, value: &[u8]) {
        if !path.as_str().starts_with("outbox/") {
            return;
        }
        if let Some(generation) = value::generation(value) {
            let weight = self.weight(generation);
            let made = &mut self.inner.lock().next.made;
            made.events += 1;
            made.sum = made.sum.wrapping_add(weight);
        }
    }

    fn entry(&self, revision: Revision) -> (Path, Vec<u8>) {
        let mut inner = self.inner.lock();
        let end = self.frontier.synced();
        let first = inner.first;
        inner.next.revision = revision.number();
        inner.next.made.revision = revision.number();
        inner.next.chain = ChainHead { first, end };
        let content = inner.next.render();
        drop(inner);
        let value = sealed::seal(&self.keys, &self.path, purpose::TRAIL_HEAD, &content);
        (self.path.clone(), value)
    }

    fn settled(&self, kept: bool) {
        let mut inner = self.inner.lock();
        if kept {
            inner.kept = inner.next;
            self.frontier.set_stored(inner.kept.revision);
        } else {
            inner.next = inner.kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_crypto::secret::arena::Arena;
    use keyward_store::sealed::keys::{SealKey, SealKeyId};
    use keyward_trail::chain::ChainId;
    use keyward_types::store_id::StoreId;

    use super::*;
    use crate::directory::paths;

    /// A ledger with keys of its own.
    fn ledger() -> Arc<Ledger> {
        let (arena, _) = Arena::new(4096).unwrap();
        let secret = |byte| arena.store_bytes(&[byte; 32]).unwrap();
        let id = SealKeyId {
            id: [1; 16],
            version: 1,
        };
        let current = SealKey::new(id, secret(7)).unwrap();
        let store = StoreId::from_bytes([3; 16]);
        let keys = Arc::new(SealKeys::new(store, current, Vec::new(), secret(7)).unwrap());
        let path = paths::trail_head();
        let chain = Chain::new(ChainId::only(store), Arc::new(secret(9)));
        Ledger::new(path, keys, chain, Head::newborn(0))
    }

    #[test]
    fn what_a_transaction_did_not_keep_is_not_counted() {
        let ledger = ledger();
        let place = paths::outbox_place("00", 1).unwrap();
        let value = sealed::seal(&ledger.keys, &place, purpose::OUTBOX, b"event");
        let weight = ledger.weight(value::generation(&value).unwrap());
        ledger.put(&place, &value);
        ledger.entry(Revision::new(1));
        ledger.settled(false);
        assert_eq!(
            (ledger.head(), ledger.frontier.stored()),
            (Head::newborn(0), 0)
        );
        ledger.put(&place, &value);
        // Only events count.
        ledger.put(&paths::clock(), &value);
        ledger.entry(Revision::new(1));
        ledger.settled(true);
        let made = ledger.head().made;
        assert_eq!(
            (made.events, made.sum, ledger.frontier.stored()),
            (1, weight, 1)
        );
    }
}
