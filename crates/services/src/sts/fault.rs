//! The faults of STS.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>

use keyward_wire::json::Rejected;

use crate::{fault::Fault, gate::Denied};

/// A fault as STS names it.
#[derive(Debug)]
pub enum StsFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// A parameter fails the model's constraints.
    Validation {
        /// AWS's text.
        message: String,
    },
}

impl From<Denied> for StsFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<Rejected> for StsFault {
    fn from(rejected: Rejected) -> Self {
        Self::Validation {
            message: rejected.to_string(),
        }
    }
}

impl From<StsFault> for Fault {
    fn from(fault: StsFault) -> Self {
        match fault {
            StsFault::AccessDenied(denied) => denied.into_fault("AccessDenied", 403),
            StsFault::Validation { message } => Self::new("ValidationError", Some(message)),
        }
    }
}
