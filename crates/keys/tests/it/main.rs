//! What `keyward-keys` promises, through its public door.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail loudly")]

mod backend;
mod blob;
mod compile_fail;
mod duties;
mod formats;
mod model;
mod permits;
mod records;
mod root_key;
mod rotation;
mod states;
mod world;
