//! AWS on the wire: bytes to types and back, without meaning.
//!
//! Nothing here does I/O or reads a clock, and nothing knows an operation: services name their
//! members and outputs, and the pipeline drives the steps of authentication.
#![forbid(unsafe_code)]

pub mod echo;
pub mod fault;
pub mod json;
pub mod proxy;
pub mod query;
pub mod request_id;
pub mod response;
pub mod rest;
pub mod sigv4;
pub mod xml;
