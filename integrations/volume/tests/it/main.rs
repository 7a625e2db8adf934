//! What a volume promises, compared with a simulated disk and real files.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod crash;
mod damage;
mod files;
mod format;
mod full;
mod histories;
mod model;
mod operations;
mod sim;
mod slow_readers;
mod threads;
mod world;
