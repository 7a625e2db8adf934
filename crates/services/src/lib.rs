//! What each API does: the operations, the pipeline through which every request passes, the gate
//! that asks the policies, the audit trail, and the workers.
#![forbid(unsafe_code)]

pub mod api;
pub mod apis;
pub mod audit;
pub mod bootstrap;
pub mod caller;
pub mod context;
pub mod counts;
pub mod directory;
pub mod fault;
pub mod forward;
pub mod front;
pub mod gate;
pub mod iam;
pub mod keyward;
pub mod kms;
pub mod marker;
pub mod metrics;
pub mod operation;
pub mod organizations;
pub mod page;
pub mod pipeline;
pub mod pool;
pub mod protocol;
pub mod request;
pub mod scans;
pub mod server;
pub mod service;
pub mod session;
pub mod sts;
pub mod throttle;
pub mod usage;
pub mod via_service;
pub mod workers;
