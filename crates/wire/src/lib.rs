//! AWS's protocols: from bytes to types and back, without their meaning.
//!
//! This crate does no I/O, reads no clock and knows no operation: services name their members and
//! outputs, and the pipeline carries out the steps of authentication.
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
