//! The key core: key material never leaves it.
#![forbid(unsafe_code)]
