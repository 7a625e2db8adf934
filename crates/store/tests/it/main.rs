//! Tests of the store as whoever uses it sees it.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail loudly"
)]

mod cache;
mod conformance;
mod crash;
mod faults;
mod fixtures;
mod foreign_log;
mod hostile;
mod model;
mod sealed;
mod secrets;
