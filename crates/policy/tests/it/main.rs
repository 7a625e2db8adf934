//! Tests of the policy language and the decision, as one binary.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may fail loudly"
)]

mod cases;
mod compile_fail;
mod decisions;
mod explain;
mod malformed;
mod render;
mod shared;
mod spec;
mod trust;
mod warnings;
mod ways;
