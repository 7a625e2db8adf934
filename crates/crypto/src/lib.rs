//! The only crate that names a cryptographic library.
//!
//! Every secret is a type that cannot be printed, cloned, compared or serialized ([`secret`]);
//! every encryption binds its purpose and format version ([`aead::Aad`]); key schedules are built
//! for one call and wiped after it, so that nothing but the arena holds keys for long.
#![deny(unsafe_code)]

pub mod aead;
pub mod derive;
pub mod digest;
pub mod mac;
pub mod random;
pub mod secret;
pub mod wrap;
