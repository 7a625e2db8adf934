//! The keyring: the store's id and its own keys, each wrapped under the root key, all under one
//! MAC.
//!
//! It is the one record of a store that is not sealed, since it opens the seals. It is two lines of
//! text: JSON, and the MAC of that line's bytes in hexadecimal digits. The MAC's key is wrapped
//! under the root key as the others are, so that nobody without the root key can add, remove,
//! reorder or replace an entry.

use keyward_crypto::{
    mac, random,
    secret::{
        SecretBytes,
        arena::{Arena, ArenaFull, ArenaSecret},
    },
};
use keyward_types::store_id::StoreId;
use serde::{Deserialize, Serialize};

use crate::{
    hierarchy::{HierarchyError, WrappedText, open_under_root, wrap_under_root},
    root_key::{RootKey, StoreRoot},
};

/// The version that this release writes and reads.
const VERSION: u8 = 2;
/// What the MAC covers before the line.
const MAC_LABEL: &[u8] = b"keyward keyring v2\n";
/// The most seal keys: with more, the keyring would not fit into a value of the store.
const MAX_SEAL_KEYS: usize = 1000;

/// Why a keyring does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// It is not a keyring of any version.
    #[error("the store's keyring cannot be read: restore the store from a backup")]
    Malformed,
    /// A version from before the first release.
    #[error(
        "the store was created by an older version of Keyward, before its first release, and this version cannot open it: create a new store with `keyward init` in an empty data directory, or continue with the version that created this one"
    )]
    Older,
    /// A version of a later release.
    #[error(
        "the store was created by a newer version of Keyward (keyring version {0}): use that one"
    )]
    Newer(u8),
    /// Another root key wraps it.
    #[error("the root key does not open this store: it is the key of another store")]
    OtherRootKey,
    /// An entry was altered, added, removed, moved, or replaced by an older one.
    #[error("the store's keyring was altered: restore the store from a backup")]
    Altered,
    /// The arena has no room.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
}

impl From<HierarchyError> for KeyringError {
    fn from(error: HierarchyError) -> Self {
        match error {
            HierarchyError::OtherRootKey => Self::OtherRootKey,
            HierarchyError::ArenaFull(full) => Self::ArenaFull(full),
            HierarchyError::Damaged | HierarchyError::Version(_) => Self::Altered,
        }
    }
}

/// The content of the first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    version: u8,
    store_id: StoreId,
    // For a clear word when another root key is at hand.
    root_key_id: String,
    // By id and version, oldest first.
    seal_keys: Vec<SealKeyEntry>,
    // Never changes: the paths of records depend on it.
    name_key: WrappedText,
    audit_key: WrappedText,
    marker_key: WrappedText,
    session_key: WrappedText,
    keyring_key: WrappedText,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealKeyEntry {
    // 32 hexadecimal digits; sealed values name it.
    id: String,
    // From 1; sealed values name it too.
    version: u32,
    key: WrappedText,
}

/// What every version has.
#[derive(Deserialize)]
struct VersionOnly {
    version: u8,
}

/// The store's id and its own keys, opened.
#[derive(Debug)]
pub struct StoreKeys {
    /// The store's id.
    pub store_id: StoreId,
    /// Seal keys with id and version, oldest first.
    pub seal_keys: Vec<([u8; 16], u32, ArenaSecret)>,
    /// The key of name hashes.
    pub name_key: ArenaSecret,
    /// The key of the audit trail's MACs.
    pub audit_key: ArenaSecret,
    /// The key that seals page markers.
    pub marker_key: ArenaSecret,
    /// The key that session tokens are sealed under.
    pub session_key: ArenaSecret,
}

/// The bytes of a keyring with all keys new, for a store that has none yet.
///
/// # Errors
/// Only for a root key of a wrong length, which cannot be opened.
pub fn generate(root: &RootKey) -> Result<Vec<u8>, KeyringError> {
    let store_id = StoreId::from_bytes(random::array());
    let (entries, keyring_key) = generate_entries(root.in_store(store_id))?;
    render(&entries, keyring_key.expose())
}

fn generate_entries(root: StoreRoot<'_>) -> Result<(Entries, SecretBytes), KeyringError> {
    let wrap = |subject: &str| wrap_under_root(root, subject, &random::secret(32));
    let id = hex::encode(random::array::<16>());
    let key = wrap(&seal_subject(&id, 1))?;
    let keyring_key = random::secret(32);
    let entries = Entries {
        version: VERSION,
        store_id: root.store(),
        root_key_id: hex::encode(root.id()),
        seal_keys: vec![SealKeyEntry {
            id,
            version: 1,
            key,
        }],
        name_key: wrap("names")?,
        audit_key: wrap("audit trail")?,
        marker_key: wrap("page markers")?,
        session_key: wrap("session tokens")?,
        keyring_key: wrap_under_root(root, "keyring", &keyring_key)?,
    };
    Ok((entries, keyring_key))
}

/// Opens the keyring in these bytes.
///
/// # Errors
/// When another version or another root key made it, or it was altered.
pub fn open(bytes: &[u8], root: &RootKey, arena: &Arena) -> Result<StoreKeys, KeyringError> {
    let (line, stated) = split(bytes);
    let VersionOnly { version } =
        serde_json::from_slice(line).map_err(|_| KeyringError::Malformed)?;
    match version {
        VERSION => {}
        0 | 1 => return Err(KeyringError::Older),
        newer => return Err(KeyringError::Newer(newer)),
    }
    let entries: Entries = serde_json::from_slice(line).map_err(|_| KeyringError::Malformed)?;
    if entries.root_key_id != hex::encode(root.id()) {
        return Err(KeyringError::OtherRootKey);
    }
    let root = root.in_store(entries.store_id);
    // Nothing of the line counts before its MAC has been checked.
    let keyring_key = open_under_root(root, "keyring", &entries.keyring_key, arena)?;
    let expected = mac_of(line, keyring_key.expose());
    if !mac::equal(expected.as_bytes(), stated.unwrap_or_default()) {
        return Err(KeyringError::Altered);
    }
    open_entries(entries, root, arena)
}

fn open_entries(
    entries: Entries,
    root: StoreRoot<'_>,
    arena: &Arena,
) -> Result<StoreKeys, KeyringError> {
    if entries.seal_keys.len() > MAX_SEAL_KEYS {
        return Err(KeyringError::Malformed);
    }
    let open = |subject: &str, key: &WrappedText| open_under_root(root, subject, key, arena);
    let mut seal_keys = Vec::new();
    for SealKeyEntry { id, version, key } in &entries.seal_keys {
        let key = open(&seal_subject(id, *version), key)?;
        let id = hex::decode(id).ok().and_then(|id| id.try_into().ok());
        seal_keys.push((id.ok_or(KeyringError::Malformed)?, *version, key));
    }
    Ok(StoreKeys {
        store_id: entries.store_id,
        seal_keys,
        name_key: open("names", &entries.name_key)?,
        audit_key: open("audit trail", &entries.audit_key)?,
        marker_key: open("page markers", &entries.marker_key)?,
        session_key: open("session tokens", &entries.session_key)?,
    })
}

fn render(entries: &Entries, keyring_key: &[u8]) -> Result<Vec<u8>, KeyringError> {
    let mut bytes = serde_json::to_vec(entries).map_err(|_| KeyringError::Malformed)?;
    let mac = mac_of(&bytes, keyring_key);
    bytes.push(b'\n');
    bytes.extend_from_slice(mac.as_bytes());
    bytes.push(b'\n');
    Ok(bytes)
}

/// The first line, and the second if there are two and no more. Version 1 had one.
fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(mac), Some(b""), None) => (line, Some(mac)),
        _ => (line, None),
    }
}

fn mac_of(line: &[u8], keyring_key: &[u8]) -> String {
    hex::encode(mac::hmac_sha256(keyring_key, &[MAC_LABEL, line]))
}

fn seal_subject(id: &str, version: u32) -> String {
    format!("seal {id} {version}")
}

#[cfg(test)]
mod tests;
