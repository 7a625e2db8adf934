//! What every API is built on: the pipeline through which every request passes, the gate that asks
//! the policies, callers, the directory, the audit trail, and the table of APIs. It names no API.
#![forbid(unsafe_code)]

pub mod api;
pub mod audit;
pub mod caller;
pub mod context;
pub mod counts;
pub mod dependents;
pub mod directory;
pub mod fault;
pub mod forward;
pub mod front;
pub mod gate;
pub mod marker;
pub mod operation;
pub mod page;
pub mod pipeline;
pub mod policy;
pub mod protocol;
pub mod request;
pub mod sealed_text;
pub mod server;
pub mod service;
pub mod session;
pub mod throttle;
pub mod turns;
pub mod usage;
pub mod workers;

pub use keyward_pace::{one_by_one, pool};
