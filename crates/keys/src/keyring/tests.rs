//! Whoever lacks the root key can change nothing of a keyring, and no entry of one store opens in
//! another.

use std::fs;

use expect_test::expect;
use keyward_types::store_id::StoreId;

use super::*;

const STORE: StoreId = StoreId::from_bytes([0x5a; 16]);

struct World {
    _folder: tempfile::TempDir,
    root: RootKey,
    arena: Arena,
}

impl World {
    fn new() -> Self {
        let (arena, _) = Arena::new(1 << 16).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = RootKey::create(&folder.path().join("root.key"), &arena).unwrap();
        Self {
            _folder: folder,
            root,
            arena,
        }
    }

    fn open(&self, bytes: &[u8]) -> Result<StoreKeys, KeyringError> {
        open(bytes, &self.root, &self.arena)
    }

    /// A keyring with three seal keys, and the key of its MAC.
    fn keyring(&self, store: StoreId) -> (Entries, SecretBytes) {
        let root = self.root.in_store(store);
        let (mut entries, key) = generate_entries(root).unwrap();
        let id = entries.seal_keys[0].id.clone();
        for version in [2, 3] {
            let subject = seal_subject(&id, version);
            entries.seal_keys.push(SealKeyEntry {
                id: id.clone(),
                version,
                key: wrap_under_root(root, &subject, &random::secret(32)).unwrap(),
            });
        }
        (entries, key)
    }
}

/// The keyring's first line changed by `edit`, its MAC as it was.
fn edited(keyring: &[u8], edit: impl FnOnce(&mut Entries)) -> Vec<u8> {
    let (line, mac) = split(keyring);
    let mut entries: Entries = serde_json::from_slice(line).unwrap();
    edit(&mut entries);
    let mut bytes = serde_json::to_vec(&entries).unwrap();
    bytes.push(b'\n');
    bytes.extend_from_slice(mac.unwrap());
    bytes.push(b'\n');
    bytes
}

#[test]
fn a_new_keyring_opens_again_and_no_two_stores_have_one_id() {
    let world = World::new();
    let bytes = generate(&world.root).unwrap();
    let (first, again) = (world.open(&bytes).unwrap(), world.open(&bytes).unwrap());
    assert_eq!(first.store_id, again.store_id);
    assert_eq!(first.audit_key.expose(), again.audit_key.expose());
    assert_eq!(first.seal_keys.len(), 1);
    let other = world.open(&generate(&world.root).unwrap()).unwrap();
    assert_ne!(first.store_id, other.store_id);
}

#[test]
fn entries_removed_added_reordered_or_replaced_are_found() {
    let world = World::new();
    let (entries, key) = world.keyring(STORE);
    let whole = render(&entries, key.expose()).unwrap();
    assert_eq!(world.open(&whole).unwrap().seal_keys.len(), 3);
    let (other, _) = world.keyring(STORE);
    let found = [
        edited(&whole, |own| drop(own.seal_keys.remove(0))),
        edited(&whole, |own| drop(own.seal_keys.pop())),
        edited(&whole, |own| own.seal_keys.swap(0, 1)),
        edited(&whole, |own| own.seal_keys.push(own.seal_keys[0].clone())),
        edited(&whole, |own| own.seal_keys.push(other.seal_keys[0].clone())),
        // Genuine keys of this very store and purpose, from another time.
        edited(&whole, |own| own.seal_keys[2] = other.seal_keys[2].clone()),
        edited(&whole, |own| own.name_key = other.name_key.clone()),
        edited(&whole, |own| own.audit_key = other.audit_key.clone()),
        edited(&whole, |own| own.marker_key = other.marker_key.clone()),
        edited(&whole, |own| own.session_key = other.session_key.clone()),
        edited(&whole, |own| own.keyring_key = other.keyring_key.clone()),
        edited(&whole, |own| own.store_id = StoreId::from_bytes([0; 16])),
    ];
    assert_eq!(edited(&whole, |_| {}), whole);
    for (number, bytes) in found.iter().enumerate() {
        let error = world.open(bytes).unwrap_err();
        assert_eq!(error, KeyringError::Altered, "case {number}");
    }
}

#[test]
fn any_altered_or_missing_byte_of_a_keyring_is_found() {
    let world = World::new();
    let whole = generate(&world.root).unwrap();
    for index in 0..whole.len() {
        for bit in [1, 1 << 5] {
            let mut altered = whole.clone();
            altered[index] ^= bit;
            assert!(world.open(&altered).is_err(), "byte {index}");
        }
        assert!(world.open(&whole[..index]).is_err(), "first {index} bytes");
    }
    let twice = [&whole[..], &whole[..]].concat();
    assert_eq!(world.open(&twice).unwrap_err(), KeyringError::Altered);
    assert_eq!(world.open(b"").unwrap_err(), KeyringError::Malformed);
}

#[test]
fn no_entry_of_one_store_opens_in_another_under_the_same_root_key() {
    let world = World::new();
    let (entries, key) = world.keyring(STORE);
    let (other, _) = world.keyring(StoreId::from_bytes([0xa5; 16]));
    type Replace = fn(&mut Entries, &Entries);
    let replacements: [Replace; 5] = [
        |own, other| own.seal_keys[0] = other.seal_keys[0].clone(),
        |own, other| own.name_key = other.name_key.clone(),
        |own, other| own.audit_key = other.audit_key.clone(),
        |own, other| own.marker_key = other.marker_key.clone(),
        |own, other| own.session_key = other.session_key.clone(),
    ];
    for (number, replace) in replacements.into_iter().enumerate() {
        let mut mixed = entries.clone();
        replace(&mut mixed, &other);
        // Even with a MAC that holds.
        let bytes = render(&mixed, key.expose()).unwrap();
        let error = world.open(&bytes).unwrap_err();
        assert_eq!(error, KeyringError::Altered, "case {number}");
    }
}

#[test]
fn keys_do_not_open_in_each_others_place() {
    let world = World::new();
    let (mut entries, key) = world.keyring(STORE);
    std::mem::swap(&mut entries.audit_key, &mut entries.marker_key);
    let bytes = render(&entries, key.expose()).unwrap();
    assert_eq!(world.open(&bytes).unwrap_err(), KeyringError::Altered);
}

#[test]
fn another_root_key_is_told_from_damage() {
    let (world, other) = (World::new(), World::new());
    let bytes = generate(&world.root).unwrap();
    let error = other.open(&bytes).unwrap_err();
    assert_eq!(error, KeyringError::OtherRootKey);
    // Whoever edits the keyring's plain word for the root key gains nothing.
    let claimed = edited(&bytes, |own| own.root_key_id = hex::encode(other.root.id()));
    let error = other.open(&claimed).unwrap_err();
    assert_eq!(error, KeyringError::OtherRootKey);
}

#[test]
fn a_keyring_of_another_version_says_what_to_do() {
    let world = World::new();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/keyring-v1.json");
    let error = world.open(&fs::read(golden).unwrap()).unwrap_err();
    expect![
        "the store was created by an older version of Keyward, before its first release, and this version cannot open it: create a new store with `keyward init` in an empty data directory, or continue with the version that created this one"
    ]
    .assert_eq(&error.to_string());
    let error = world.open(br#"{"version":3,"more":true}"#).unwrap_err();
    expect![
        "the store was created by a newer version of Keyward (keyring version 3): use that one"
    ]
    .assert_eq(&error.to_string());
}
