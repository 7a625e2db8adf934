//! The keys that seal values and hash names.

use std::fmt;

use keyward_crypto::{mac, secret::arena::ArenaSecret};
use keyward_types::store_id::StoreId;
use thiserror::Error;

use super::name::NameHash;

/// Which key sealed a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealKeyId {
    /// The key.
    pub id: [u8; 16],
    /// Its version: one more with every rotation.
    pub version: u32,
}

impl fmt::Display for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u128::from_be_bytes(self.id);
        write!(f, "{id:032x} version {}", self.version)
    }
}

/// One version of a seal key.
#[derive(Debug)]
pub struct SealKey {
    pub(super) id: SealKeyId,
    key: ArenaSecret,
}

impl SealKey {
    /// Creates the version `id` from these 32 bytes.
    pub fn new(id: SealKeyId, key: ArenaSecret) -> Result<Self, SealKeyError> {
        require(&key)?;
        Ok(Self { id, key })
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.key.expose()
    }
}

/// What a sealed store needs to know: its id, the key that new values are sealed under, older ones
/// that still open what was written before, and the key of the hashes that stand for names.
#[derive(Debug)]
pub struct SealKeys {
    store: StoreId,
    current: SealKey,
    older: Vec<SealKey>,
    // Never changes during a store's life, since it determines the paths of records.
    name_key: ArenaSecret,
}

impl SealKeys {
    /// Seals for `store` under `current`, also opens what stands under `older`, and hashes names
    /// under `name_key` (32 bytes, the same for as long as the store lives).
    pub fn new(
        store: StoreId,
        current: SealKey,
        older: Vec<SealKey>,
        name_key: ArenaSecret,
    ) -> Result<Self, SealKeyError> {
        require(&name_key)?;
        Ok(Self {
            store,
            current,
            older,
            name_key,
        })
    }

    /// The store that values are sealed for.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// The key that new values are sealed under.
    pub fn current(&self) -> SealKeyId {
        self.current.id
    }

    pub(super) fn sealing(&self) -> &SealKey {
        &self.current
    }

    pub(super) fn find(&self, id: SealKeyId) -> Option<&SealKey> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id == id)
    }

    pub(super) fn name_hash(&self, home: &str, kind: &str, text: &str) -> NameHash {
        // The lengths make the encoding of (home, kind, text) unambiguous.
        let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
        let parts: [&[u8]; 6] = [
            b"keyward name v2",
            &length(home),
            home.as_bytes(),
            &length(kind),
            kind.as_bytes(),
            text.as_bytes(),
        ];
        let hash = mac::hmac_sha256(self.name_key.expose(), &parts);
        let half = hash.first_chunk::<16>().copied().unwrap_or_default();
        NameHash::new(u128::from_be_bytes(half))
    }
}

/// A key of the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a seal key and a name key must have 32 bytes, not {bytes}")]
pub struct SealKeyError {
    /// Its length.
    pub bytes: usize,
}

fn require(key: &ArenaSecret) -> Result<(), SealKeyError> {
    match key.expose().len() {
        32 => Ok(()),
        bytes => Err(SealKeyError { bytes }),
    }
}
