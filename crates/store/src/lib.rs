//! One ordered map of sealed values under one revision counter.
//!
//! [`store::Store`] is the narrow trait; [`memory`] and [`sqlite`] are its engines and
//! `conformance` (a feature) is the suite that each of them runs. [`sealed`] keeps the engine
//! blind, and [`node`] with [`cache`] keeps what is read often in memory without ever showing
//! what an acknowledged change has overtaken.
//!
//! This crate knows nothing of keys, policies or AWS: it is handed paths and bytes.
#![forbid(unsafe_code)]

pub mod batch;
pub mod boxed;
pub mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod feed;
pub mod log;
pub mod memory;
pub mod node;
pub mod path;
pub mod reader;
pub mod revision;
pub mod sealed;
pub mod sqlite;
pub mod stamp;
pub mod store;
