//! The only crate of Keyward that names a cryptographic library.
//!
//! Everything here is a thin, named use of AWS-LC: authenticated encryption with additional data
//! that is never empty, one key derivation function, HMAC, SHA-256, random bytes, the checking of
//! other people's signatures, and what PostgreSQL keeps of a password; and the types that hold secrets. Only `secret/lock.rs`, which locks pages, and
//! `secret/allocator.rs` have `unsafe` code.
#![deny(unsafe_code)]

pub mod aead;
pub mod derive;
pub mod digest;
pub mod mac;
pub mod random;
pub mod scram;
pub mod secret;
pub mod signer;
pub mod verify;
pub mod wrap;
pub mod xaes;
