//! Copies, as whoever uses the crate sees them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod damage;
mod directory;
mod format;
mod hostile;
mod kit;
mod streams;
