//! The audit trail: the one exit through which every answer to a proven caller passes.

pub mod event;
pub mod files;
pub mod head;
pub mod outbox;
pub mod parameters;
pub mod refused;
pub mod service_event;
pub mod shares;
pub mod trail;
pub mod writer;
