//! Volumes on the kernel of this machine: FUSE, loop devices, ext4. These tests need root.
//!
//! Without what [`requirements::missing`](keyward_attach::requirements::missing) lists they say so and
//! pass, except with `CI=true`: there they fail.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and says why it tests nothing"
)]

mod bind;
mod cut_off;
mod killed;
mod life;
mod memory;
mod plain;
mod refused;
mod sparse_file;
mod world;
