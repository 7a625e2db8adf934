//! The root key's file, and what opens under it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
};

use keyward_crypto::secret::arena::Arena;
use keyward_keys::{
    hierarchy::{AccountKeyRecord, DomainKeyRecord, HierarchyError},
    root_key::{RootKey, RootKeyError},
};
use keyward_types::store_id::StoreId;

use crate::world::{STORE, account, account_key, region};

fn arena() -> Arena {
    Arena::new(1 << 14).unwrap().0
}

#[test]
fn a_new_root_key_is_its_owners_alone_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let made = RootKey::create(&path, &arena()).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(RootKey::open(&path, &arena()).unwrap().id(), made.id());
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["root.key"], "no draft is left behind");
    assert_eq!(format!("{made:?}").matches("ArenaSecret").count(), 1);
}

#[test]
fn a_root_key_is_never_made_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    RootKey::create(&path, &arena()).unwrap();
    let before = fs::read(&path).unwrap();
    let again = RootKey::create(&path, &arena()).unwrap_err();
    assert!(matches!(again, RootKeyError::Io { .. }), "{again:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    RootKey::create(&path, &arena()).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o601, 0o777] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = RootKey::open(&path, &arena()).unwrap_err();
        assert!(
            matches!(&error, RootKeyError::Readable(p) if p == &path),
            "{mode:o} {error:?}"
        );
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    RootKey::open(&path, &arena()).unwrap();
}

#[test]
fn any_altered_byte_of_the_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    RootKey::create(&path, &arena()).unwrap();
    let good = fs::read(&path).unwrap();
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 1;
        fs::write(&path, &bad).unwrap();
        let error = RootKey::open(&path, &arena());
        assert!(
            matches!(error, Err(RootKeyError::Malformed(_))),
            "byte {index}: {error:?}"
        );
    }
    for bad in [
        b"".to_vec(),
        good[..good.len() - 2].to_vec(),
        good.repeat(2),
        good.repeat(20),
    ] {
        fs::write(&path, &bad).unwrap();
        assert!(matches!(
            RootKey::open(&path, &arena()),
            Err(RootKeyError::Malformed(_))
        ));
    }
}

#[test]
fn an_absent_file_is_named_as_such() {
    let error = RootKey::open("/nowhere/root.key".as_ref(), &arena()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no root key at /nowhere/root.key"
    );
}

#[test]
fn another_root_key_is_told_from_damage() {
    let (folder, arena) = (tempfile::tempdir().unwrap(), arena());
    let root = RootKey::create(&folder.path().join("a"), &arena).unwrap();
    let other = RootKey::create(&folder.path().join("b"), &arena).unwrap();
    let (root, other) = (root.in_store(STORE), other.in_store(STORE));

    let record = AccountKeyRecord::generate(root, account()).unwrap();
    assert_eq!(
        record.open(other, &arena).unwrap_err(),
        HierarchyError::OtherRootKey
    );
    let record = DomainKeyRecord::generate(root, region(), account()).unwrap();
    let owner = account_key(root, &arena, account());
    let error = record.open(other, Arc::clone(&owner), &arena).unwrap_err();
    assert_eq!(error, HierarchyError::OtherRootKey);
}

#[test]
fn wrapped_keys_do_not_open_in_each_others_place() {
    let (folder, arena) = (tempfile::tempdir().unwrap(), arena());
    let root = RootKey::create(&folder.path().join("a"), &arena).unwrap();
    let root = root.in_store(STORE);
    let owner = account_key(root, &arena, account());
    let mut domain = DomainKeyRecord::generate(root, region(), account()).unwrap();
    domain.region = keyward_types::region::Region::parse("us-west-2").unwrap();
    let error = domain.open(root, owner, &arena).unwrap_err();
    assert_eq!(error, HierarchyError::Damaged);
}

#[test]
fn nothing_that_is_wrapped_in_one_store_opens_in_another_under_the_same_root_key() {
    let (folder, arena) = (tempfile::tempdir().unwrap(), arena());
    let root = RootKey::create(&folder.path().join("a"), &arena).unwrap();
    let (own, other) = (
        root.in_store(STORE),
        root.in_store(StoreId::from_bytes([0xa5; 16])),
    );

    let account_record = AccountKeyRecord::generate(own, account()).unwrap();
    let error = account_record.open(other, &arena).unwrap_err();
    assert_eq!(error, HierarchyError::Damaged);

    let domain_record = DomainKeyRecord::generate(own, region(), account()).unwrap();
    let owner = account_key(other, &arena, account());
    let error = domain_record.open(other, owner, &arena).unwrap_err();
    assert_eq!(error, HierarchyError::Damaged);
}

#[test]
fn a_record_of_another_version_is_named_as_such() {
    let (folder, arena) = (tempfile::tempdir().unwrap(), arena());
    let root = RootKey::create(&folder.path().join("a"), &arena).unwrap();
    let root = root.in_store(STORE);
    for version in [1, 3] {
        let mut record = AccountKeyRecord::generate(root, account()).unwrap();
        record.version = version;
        assert_eq!(
            record.open(root, &arena).unwrap_err(),
            HierarchyError::Version(version)
        );
        let mut record = DomainKeyRecord::generate(root, region(), account()).unwrap();
        record.version = version;
        let owner = account_key(root, &arena, account());
        assert_eq!(
            record.open(root, owner, &arena).unwrap_err(),
            HierarchyError::Version(version)
        );
    }
}
