//! A permit to describe where one to encrypt is wanted.
use keyward_keys::{key::Key, ring::Ring};
use keyward_policy::permit::Permit;
use keyward_types::action;
use keyward_types::{encryption_context::EncryptionContext, key_spec::EncryptionAlgorithm};

fn misuse(
    ring: &Ring,
    permit: &Permit<action::DescribeKey>,
    key: &Key,
    context: &EncryptionContext,
) {
    let algorithm = EncryptionAlgorithm::SymmetricDefault;
    let _ = ring.encrypt(permit, key, algorithm, b"plaintext", context);
}

fn main() {}
