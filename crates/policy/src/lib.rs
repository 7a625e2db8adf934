//! AWS policy text to decision: pure, without clock or I/O.
#![forbid(unsafe_code)]
