//! A whole server in memory for tests: clocks that tests move, two accounts and their people, signed
//! requests below the wire, and an issuer of web identities that answers what it is told to.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    missing_docs,
    reason = "what fails here fails a test"
)]

pub mod answer;
pub mod issuer;
mod signing;
mod watched;
pub mod world;
