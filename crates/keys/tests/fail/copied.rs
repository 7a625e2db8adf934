//! Keys that are copied.
use keyward_keys::hierarchy::DomainKey;
use keyward_keys::key::Key;
use keyward_keys::keyring::StoreKeys;
use keyward_keys::ring::GeneratedDataKey;
use keyward_keys::root_key::RootKey;

fn copy<T: Clone>(_: &T) {}

fn misuse(a: &Key, b: &DomainKey, c: &RootKey, d: &GeneratedDataKey, e: &StoreKeys) {
    copy(a);
    copy(b);
    copy(c);
    copy(d);
    copy(e);
}

fn main() {}
