//! The `keyward` binary.
#![forbid(unsafe_code)]
fn main() {}
