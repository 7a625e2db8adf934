//! Tests of the policy language and the decision, as one binary.

mod compile_fail;
mod decisions;
mod malformed;
mod render;
mod spec;
