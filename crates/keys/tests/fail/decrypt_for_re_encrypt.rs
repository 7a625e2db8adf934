//! A permit to decrypt where ReEncryptFrom is wanted.
use keyward_keys::{key::Key, ring::Ring};
use keyward_policy::permit::Permit;
use keyward_types::{action, key_spec::EncryptionAlgorithm};

fn misuse(
    ring: &Ring,
    from: &Permit<action::Decrypt>,
    to: &Permit<action::ReEncryptTo>,
    key: &Key,
) {
    let algorithm = EncryptionAlgorithm::SymmetricDefault;
    let _ = ring.check_re_encrypt((from, to), (key, algorithm), (key, algorithm));
}

fn main() {}
