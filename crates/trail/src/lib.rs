//! The audit trail on disk: rendered lines in, authenticated files out, and back.
//!
//! A trail is a chain of segments, which are files of lines. Events are appended in batches; a MAC
//! closes each batch and covers the previous MAC, so that anything that is cut, added or changed is
//! detected. The layout is in `docs/formats.md`.
//!
//! - **Writing.** [`trail::Trail`] is the one open segment. [`writer::Writer`] is its handle: it
//!   takes lines, puts those that come together into one batch, and answers when they are written.
//! - **Reading.** [`verify`](mod@verify) checks every batch; [`examine`](mod@examine) tells a start
//!   what is there after the last place that was on disk; [`segment`] names the files.
//! - **What is not authentic** is never made part of the trail: [`set_aside`] puts it beside it.
//! - **The store's side.** [`head::Head`] is what a store keeps of the trail, and
//!   [`frontier::Frontier`] what the two tell each other while a server runs. Neither knows how the
//!   store keeps it.
//! - [`refused`] is the bounded log of callers who were refused. It is beside the trail and not
//!   part of it.
//!
//! This crate does not know the content of events, or requests, callers and the directory.
#![forbid(unsafe_code)]

pub mod chain;
pub mod error;
pub mod examine;
mod files;
mod format;
pub mod frontier;
pub mod head;
pub mod refused;
mod scan;
pub mod segment;
pub mod set_aside;
pub mod trail;
pub mod verify;
pub mod writer;
