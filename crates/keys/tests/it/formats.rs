//! Durable layouts of version 2: files that are never edited and must always open.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use keyward_crypto::secret::arena::Arena;
use keyward_keys::{
    ciphertext_blob::CiphertextBlob,
    hierarchy::{AccountKeyRecord, DomainKeyRecord},
    keyring,
    record::KeyRecord,
    ring::Ring,
    root_key::RootKey,
};

use crate::world::{SYMMETRIC, World, context, permit, ready};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v2");

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

/// The keyring, records, keys and blobs that version 2 made, with the root key that opens them. Every file
/// was written once; the chain from the root key to the plaintext must hold for ever.
#[test]
fn what_version_2_wrote_opens_from_the_root_key_down_to_the_plaintext() {
    let (arena, _) = Arena::new(1 << 14).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    std::fs::write(&path, read("root.key")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let root = RootKey::open(&path, &arena).unwrap();

    let store = keyring::open(read("keyring").as_bytes(), &root, &arena).unwrap();
    assert_eq!(store.seal_keys.len(), 1);
    let root = root.in_store(store.store_id);
    let account: AccountKeyRecord = serde_json::from_str(&read("account-key.json")).unwrap();
    let account = Arc::new(account.open(root, &arena).unwrap());
    let domain: DomainKeyRecord = serde_json::from_str(&read("domain-key.json")).unwrap();
    let domain = Arc::new(domain.open(root, account, &arena).unwrap());

    let ring = Ring::new(arena);
    let bytes = read("key.json");
    let record = KeyRecord::parse(bytes.trim_end().as_bytes()).unwrap();
    assert_eq!(record.materials.len(), 2);
    // The same bytes come out: a reader of version 2 changes nothing that it does not mean to.
    assert_eq!(
        String::from_utf8(record.to_bytes().unwrap()).unwrap() + "\n",
        bytes
    );
    let key = ring.open(record, domain);
    for name in ["blob-of-first-material.hex", "blob-of-second-material.hex"] {
        let bytes = hex::decode(read(name).trim_end()).unwrap();
        let blob = CiphertextBlob::parse(&bytes).unwrap();
        let context = context(&[("Department", "Finance")]);
        let (plaintext, _) =
            ready(ring.decrypt(&permit(key.arn()), &key, SYMMETRIC, &blob, &context)).unwrap();
        assert_eq!(plaintext.expose(), b"what version 2 wrote", "{name}");
    }
}

/// The field names and their order in each record, so that a change of them is seen in review.
#[test]
fn records_have_the_fields_of_version_2() {
    let world = World::new();
    let fields = |text: &str| -> Vec<String> {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    };
    let key = String::from_utf8(world.create().record().to_bytes().unwrap()).unwrap();
    assert_eq!(fields(&key), fields(&read("key.json")));
    let keyring = String::from_utf8(keyring::generate(&world.root).unwrap()).unwrap();
    let first = |text: &str| fields(text.lines().next().unwrap());
    assert_eq!(first(&keyring), first(&read("keyring")));
}
