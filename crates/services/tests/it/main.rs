//! The APIs below the wire: a whole server in memory, with clocks that the tests move.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly"
)]

mod agents;
mod cde;
mod efs;
mod forward;
mod kms;
mod outbox;
mod own;
mod pause;
mod rds;
mod rest;
mod sts;
mod turns;
