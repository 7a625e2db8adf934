//! Real PostgreSQL servers on plain directories. These tests need root.
//!
//! Without what [`requirements::missing`](keyward_postgres::requirements::missing) lists they say so and
//! pass, except with `CI=true`: there they fail.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and says why it tests nothing"
)]

mod again;
mod crash;
mod end;
mod life;
mod making;
mod roles;
mod world;
