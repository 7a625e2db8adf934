//! The faults of IAM: AWS's own list, each with its code, HTTP status and message.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>

use keyward_policy::document::PolicyError;
use keyward_store::error::LimitError;
use keyward_wire::json::Rejected;

use crate::{
    directory::{ReadError, records::RecordError},
    fault::{Fault, Internal},
    gate::Denied,
};

/// A fault as IAM names it.
#[derive(Debug)]
pub enum IamFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// Something hangs on what was to be deleted.
    DeleteConflict {
        /// AWS's text.
        message: &'static str,
    },
    /// The name is taken.
    EntityAlreadyExists {
        /// AWS's text.
        message: String,
    },
    /// Something failed on our side.
    Internal(Internal),
    /// A parameter makes no sense.
    InvalidInput {
        /// AWS's text.
        message: String,
    },
    /// A quota is used up.
    LimitExceeded {
        /// AWS's text.
        message: String,
    },
    /// A policy is malformed.
    MalformedPolicyDocument {
        /// AWS's text.
        message: String,
    },
    /// It is not there.
    NoSuchEntity {
        /// AWS's text.
        message: String,
    },
    /// A parameter fails the model's constraints.
    Validation {
        /// AWS's text.
        message: String,
    },
    /// A parameter is no text of its type.
    MalformedInput {
        /// What is wrong with it.
        message: String,
    },
}

impl From<Denied> for IamFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<ReadError> for IamFault {
    fn from(error: ReadError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl From<RecordError> for IamFault {
    fn from(error: RecordError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl From<LimitError> for IamFault {
    fn from(error: LimitError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl From<keyward_store::path::PathError> for IamFault {
    fn from(error: keyward_store::path::PathError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl From<Rejected> for IamFault {
    fn from(rejected: Rejected) -> Self {
        let message = rejected.to_string();
        match rejected {
            Rejected::Validation(_) | Rejected::QueryValidation(_) => Self::Validation { message },
            Rejected::Serialization(_) | Rejected::MalformedInput(_) => {
                Self::MalformedInput { message }
            }
        }
    }
}

impl From<PolicyError> for IamFault {
    fn from(error: PolicyError) -> Self {
        let message = error.to_string();
        match error {
            PolicyError::Malformed(_) => Self::MalformedPolicyDocument { message },
            PolicyError::TooLong(_) => Self::LimitExceeded { message },
            PolicyError::Characters => Self::Validation { message },
        }
    }
}

impl From<IamFault> for Fault {
    fn from(fault: IamFault) -> Self {
        use IamFault as F;
        let (code, status, message) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDenied", 403),
            F::Internal(internal) => return Self::internal("ServiceFailure", internal),
            F::DeleteConflict { message } => ("DeleteConflict", 409, message.to_owned()),
            F::EntityAlreadyExists { message } => ("EntityAlreadyExists", 409, message),
            F::InvalidInput { message } => ("InvalidInput", 400, message),
            F::LimitExceeded { message } => ("LimitExceeded", 409, message),
            F::MalformedPolicyDocument { message } => ("MalformedPolicyDocument", 400, message),
            F::NoSuchEntity { message } => ("NoSuchEntity", 404, message),
            F::Validation { message } => ("ValidationError", 400, message),
            F::MalformedInput { message } => ("MalformedInput", 400, message),
        };
        Self::new(code, Some(message)).status(status)
    }
}
