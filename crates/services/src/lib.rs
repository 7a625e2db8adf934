//! The APIs that Keyward serves, and how a server is started.
#![forbid(unsafe_code)]

pub mod apis;
pub mod bootstrap;
