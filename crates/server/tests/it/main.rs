//! The program as it runs: a real process on port 0, driven over plain sockets.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may fail loudly"
)]

mod command;
mod durability;
mod flood;
mod help;
mod http_2;
mod limits;
mod memory;
mod process;
mod revocation;
mod strangers;
mod traps;
mod untaken;
mod wire;
