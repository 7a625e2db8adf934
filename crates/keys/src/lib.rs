//! The key core: the hierarchy of keys, KMS keys with their states and material, the ciphertext
//! blob. Key material in plaintext never leaves this crate and `keyward-crypto`.
//!
//! [`ring::Ring`] is the one public door: to use or change a key, it needs a permit for exactly
//! that action on exactly that key.
#![forbid(unsafe_code)]

pub mod backend;
pub mod ciphertext_blob;
pub mod deletion;
pub mod duty;
pub mod hierarchy;
pub mod key;
pub mod keyring;
pub mod record;
pub mod ring;
pub mod root_key;
pub mod state;
