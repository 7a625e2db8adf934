//! A chain of the trail, positions in it, and what it says about its store.

use std::sync::Arc;

use keyward_crypto::{mac, secret::arena::ArenaSecret};
use keyward_types::store_id::StoreId;

/// Which chain of which store a segment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainId {
    /// The store's id.
    pub store: StoreId,
    /// The node that writes the chain.
    pub node: u32,
    /// Which of the node's chains it is.
    pub chain: u32,
}

impl ChainId {
    /// The only chain of the only node, which is all that a store has today.
    pub fn only(store: StoreId) -> Self {
        Self {
            store,
            node: 1,
            chain: 1,
        }
    }
}

/// A chain, with the key of its MACs.
#[derive(Clone, Debug)]
pub struct Chain {
    id: ChainId,
    key: Arc<ArenaSecret>,
}

impl Chain {
    /// The chain with this id and this key, which is used for nothing else.
    pub fn new(id: ChainId, key: Arc<ArenaSecret>) -> Self {
        Self { id, key }
    }

    /// Which chain it is.
    pub fn id(&self) -> &ChainId {
        &self.id
    }

    /// What an event of the outbox adds to [`Copied::sum`]: a number that only the holder of the
    /// key can compute from the generation of its record.
    pub fn weight(&self, generation: &[u8; 16]) -> u128 {
        const LABEL: &[u8] = b"keyward outbox event v1";
        let mac = self.mac(&[LABEL, generation]);
        mac.first_chunk::<16>()
            .map_or(0, |half| u128::from_be_bytes(*half))
    }

    /// The MAC of the parts, of which the first is a label.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac::hmac_sha256(self.key.expose(), parts)
    }
}

/// A position between two batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment's number, from 1; zero before the first.
    pub segment: u64,
    /// Bytes of the segment before the position.
    pub length: u64,
}

/// A position, and the last MAC before it, which authenticates everything up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The position.
    pub at: Position,
    /// The MAC.
    pub mac: [u8; 32],
}

/// Which events of changes the trail has: all events up to a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The revision of the store.
    pub revision: u64,
    /// How many events there are.
    pub events: u64,
    /// The sum of their weights ([`Chain::weight`]): any other set of events has another sum.
    pub sum: u128,
}

/// What every header and closing line says about the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The events of changes up to here.
    pub copied: Copied,
    /// The newest revision that the store is known to have committed. A store that is older has
    /// been replaced.
    pub store: u64,
}

impl Mark {
    /// The part of it that a MAC covers.
    pub(crate) fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let parts: [&[u8]; 4] = [
            &self.copied.revision.to_be_bytes(),
            &self.copied.events.to_be_bytes(),
            &self.copied.sum.to_be_bytes(),
            &self.store.to_be_bytes(),
        ];
        let mut rest = &mut bytes[..];
        for part in parts {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        bytes
    }
}
