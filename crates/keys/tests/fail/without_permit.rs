//! Encryption without a permit.
use keyward_keys::{key::Key, ring::Ring};
use keyward_types::{encryption_context::EncryptionContext, key_spec::EncryptionAlgorithm};

fn misuse(ring: &Ring, key: &Key, context: &EncryptionContext) {
    let _ = ring.encrypt(key, EncryptionAlgorithm::SymmetricDefault, b"plaintext", context);
}

fn main() {}
