//! The audit trail: the one exit through which every answer to a proven caller passes.

pub mod event;
pub mod ledger;
pub mod outbox;
pub mod parameters;
pub mod service_event;
pub mod shares;
