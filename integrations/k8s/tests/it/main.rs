//! The provider, asked as an API server asks it, with a clock that the tests move and a KMS in memory.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod api_server;
mod cluster;
mod kms;
mod provider;
