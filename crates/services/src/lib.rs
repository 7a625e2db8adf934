//! The APIs that Keyward serves, and how a server is started.
#![forbid(unsafe_code)]

pub mod apis;
pub mod bootstrap;
pub mod iam;
pub mod keyward;
pub mod kms;
pub mod organizations;
pub mod sts;

pub use keyward_engine::{
    api, api_context, audit, caller, context, counts, directory, fault, forward, front, gate,
    marker, metrics, operation, page, pipeline, pool, protocol, request, scans, server, service,
    session, throttle, usage, via_service, workers,
};
