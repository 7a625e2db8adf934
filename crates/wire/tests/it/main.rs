//! The wire against other people's bytes: signatures, bodies, parameters, and properties of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod json;
mod properties;
mod query;
mod request;
mod rest;
mod sigv4_errors;
mod sigv4_suite;
