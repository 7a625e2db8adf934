//! The trail's head: what the store knows of the trail, sealed in every transaction.
//!
//! The head names the store's own revision, how far the trail is known to be on disk, and the set
//! of all events that were ever put into the outbox. So an older store beside a newer trail shows,
//! a trail that was cut short or is gone, and events that were taken out of the outbox before the
//! trail had them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use keyward_crypto::secret::arena::ArenaSecret;
use keyward_store::{
    path::Path,
    sealed::{Generation, keys::SealKeys, value},
    stamp::Stamp,
    store::Revision,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    audit::trail::format::{self, Copied, End, Position, hex_sum},
    directory::purpose,
};

pub mod keep;

/// The version of the record.
const V1: u8 = 1;

/// The head, as it is read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The revision of the store that it was sealed for.
    pub revision: u64,
    /// All events of changes that there ever were. Its revision is the store's.
    pub made: Copied,
    /// What is known of the trail's one chain.
    pub chain: ChainHead,
}

/// What the store knows of a chain of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// From this segment on none may be missing between two others.
    pub first: u64,
    /// A place that is on disk.
    pub end: End,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self {
            first: 1,
            end: End::default(),
        }
    }
}

/// Why a head cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// It is no JSON of that shape.
    #[error("the trail's head in the store cannot be read")]
    Shape(#[from] serde_json::Error),
    /// Of a later version, or of more chains than this version knows.
    #[error("the trail's head in the store is of another version")]
    Version,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    version: u8,
    revision: u64,
    changes: u64,
    sum: String,
    chains: Vec<ChainText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainText {
    node: u32,
    chain: u32,
    first: u64,
    segment: u64,
    length: u64,
    mac: String,
}

impl Head {
    /// Reads a record's content.
    ///
    /// # Errors
    /// When it is no head, or a later version's.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let text: HeadText = serde_json::from_slice(bytes)?;
        let [chain] = text.chains.as_slice() else {
            return Err(HeadError::Version);
        };
        if (text.version, chain.node, chain.chain) != (V1, 1, 1) {
            return Err(HeadError::Version);
        }
        let sum = u128::from_str_radix(&text.sum, 16).map_err(|_| HeadError::Version)?;
        let mac = hex::decode(&chain.mac)
            .ok()
            .and_then(|mac| mac.try_into().ok());
        let at = Position {
            segment: chain.segment,
            length: chain.length,
        };
        Ok(Self {
            revision: text.revision,
            made: Copied {
                revision: text.revision,
                events: text.changes,
                sum,
            },
            chain: ChainHead {
                first: chain.first,
                end: End {
                    at,
                    mac: mac.ok_or(HeadError::Version)?,
                },
            },
        })
    }

    fn render(&self) -> Vec<u8> {
        let text = HeadText {
            version: V1,
            revision: self.revision,
            changes: self.made.events,
            sum: hex_sum(self.made.sum),
            chains: vec![ChainText {
                node: 1,
                chain: 1,
                first: self.chain.first,
                segment: self.chain.end.at.segment,
                length: self.chain.end.at.length,
                mac: hex::encode(self.chain.end.mac),
            }],
        };
        // Numbers and texts always have a JSON.
        serde_json::to_vec(&text).unwrap_or_default()
    }
}

/// What the store and the trail tell each other while a server runs.
///
/// Every transaction of the store seals a [`Head`] with what the ledger has then.
#[derive(Debug)]
pub struct Ledger {
    path: Path,
    keys: Arc<SealKeys>,
    key: Arc<ArenaSecret>,
    /// The newest revision that the store has kept.
    stored: AtomicU64,
    /// How far the trail is on disk.
    synced: watch::Sender<End>,
    /// Whether events of changes wait for that.
    awaited: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    first: u64,
    /// With what the transaction under way adds.
    next: Head,
    kept: Head,
}

impl Ledger {
    /// The ledger of a store whose head is known. `keys` seal it at `path`; `key` is the trail's.
    pub fn new(path: Path, keys: Arc<SealKeys>, key: Arc<ArenaSecret>, head: Head) -> Arc<Self> {
        Arc::new(Self {
            path,
            keys,
            key,
            stored: AtomicU64::new(head.revision),
            synced: watch::Sender::new(head.chain.end),
            awaited: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                first: head.chain.first,
                next: head,
                kept: head,
            }),
        })
    }

    /// The newest revision that the store has kept.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// The head that stands in the store.
    pub fn head(&self) -> Head {
        self.inner.lock().kept
    }

    /// Whether the store's head does not know yet how far the trail is on disk.
    pub fn is_behind(&self) -> bool {
        self.head().chain.end.at < self.synced.borrow().at
    }

    /// The trail is on disk up to here.
    pub fn synced(&self, end: End) {
        self.synced.send_if_modified(|synced| {
            let further = end.at > synced.at;
            if further {
                *synced = end;
            }
            further
        });
    }

    /// Whether the trail is on disk up to a place.
    pub fn is_synced(&self, at: Position) -> bool {
        at <= self.synced.borrow().at
    }

    /// How far the trail is on disk, and wakes whoever waits for more.
    pub fn watch(&self) -> watch::Receiver<End> {
        self.synced.subscribe()
    }

    /// Says whether events wait in the outbox only for the trail to be on disk.
    pub fn await_disk(&self, awaited: bool) {
        self.awaited.store(awaited, Ordering::Release);
    }

    /// Whether they do.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// Takes what is there of the trail, and what waits in the outbox, for all there is. For an
    /// operator who accepts it; the next commit seals it.
    pub fn accept(&self, chain: ChainHead, made: Copied) {
        let mut inner = self.inner.lock();
        inner.first = chain.first;
        inner.kept.made = made;
        inner.next.made = made;
        self.synced.send_replace(chain.end);
    }

    /// What an event of that generation adds to a sum.
    pub fn weight(&self, generation: Generation) -> u128 {
        format::weight(&self.key, generation.as_bytes())
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
        let end = *self.synced.borrow();
        let first = inner.first;
        inner.next.revision = revision.number();
        inner.next.made.revision = revision.number();
        inner.next.chain = ChainHead { first, end };
        let content = inner.next.render();
        drop(inner);
        let value = self.keys.seal(&self.path, purpose::TRAIL_HEAD, &content);
        (self.path.clone(), value)
    }

    fn settled(&self, kept: bool) {
        let mut inner = self.inner.lock();
        if kept {
            inner.kept = inner.next;
            self.stored.store(inner.kept.revision, Ordering::Release);
        } else {
            inner.next = inner.kept;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use keyward_crypto::secret::arena::Arena;
    use keyward_store::sealed::keys::{SealKey, SealKeyId};
    use keyward_types::store_id::StoreId;

    use super::*;
    use crate::directory::paths;

    /// The head of a store that holds nothing.
    pub(crate) fn newborn() -> Head {
        Head {
            revision: 0,
            made: Copied::default(),
            chain: ChainHead::default(),
        }
    }

    /// A ledger whose keys nobody else has.
    pub(crate) fn ledger() -> Arc<Ledger> {
        let (arena, _) = Arena::new(4096).unwrap();
        let secret = |byte| arena.store_bytes(&[byte; 32]).unwrap();
        let id = SealKeyId {
            id: [1; 16],
            version: 1,
        };
        let current = SealKey::new(id, secret(7)).unwrap();
        let store = StoreId::from_bytes([3; 16]);
        let keys = Arc::new(SealKeys::new(store, current, Vec::new(), secret(7)).unwrap());
        let path = paths::trail_head().unwrap();
        Ledger::new(path, keys, Arc::new(secret(9)), newborn())
    }

    #[test]
    fn a_head_is_read_back() {
        let head = Head {
            revision: 7,
            made: Copied {
                revision: 7,
                events: 3,
                sum: u128::MAX,
            },
            chain: ChainHead {
                first: 2,
                end: End {
                    at: Position {
                        segment: 4,
                        length: 99,
                    },
                    mac: [5; 32],
                },
            },
        };
        assert_eq!(Head::parse(&head.render()).unwrap(), head);
        let later = String::from_utf8(head.render()).unwrap();
        let later = later.replace("\"version\":1", "\"version\":2");
        assert!(matches!(
            Head::parse(later.as_bytes()),
            Err(HeadError::Version)
        ));
    }

    #[test]
    fn what_a_transaction_did_not_keep_is_not_counted() {
        let ledger = ledger();
        let place = paths::outbox_place("00", 1).unwrap();
        let value = ledger.keys.seal(&place, purpose::OUTBOX, b"event");
        let weight = ledger.weight(value::generation(&value).unwrap());
        ledger.put(&place, &value);
        ledger.entry(Revision::new(1));
        ledger.settled(false);
        assert_eq!((ledger.head(), ledger.stored()), (newborn(), 0));
        ledger.put(&place, &value);
        // Only events count.
        ledger.put(&paths::clock().unwrap(), &value);
        ledger.entry(Revision::new(1));
        ledger.settled(true);
        let made = ledger.head().made;
        assert_eq!((made.events, made.sum, ledger.stored()), (1, weight, 1));
    }
}
