//! A whole server in memory for tests: clocks that tests move, two accounts and their people, signed
//! requests below the wire, and an issuer of web identities that answers what it is told to.
#![forbid(unsafe_code)]
// What fails here fails a test.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs)]

pub mod answer;
pub mod issuer;
mod signing;
mod watched;
pub mod world;
