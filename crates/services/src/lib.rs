//! The APIs that Keyward serves, and how a server is started.
#![forbid(unsafe_code)]

pub mod apis;
pub mod bootstrap;

pub use keyward_api_cde::environments::prerequisites as cdp_policies;
