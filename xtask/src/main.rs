//! Development tasks behind `./dev`.
#![forbid(unsafe_code)]
fn main() {}
