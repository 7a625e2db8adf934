//! The faults of IAM: AWS's own list, each with its code, HTTP status and message.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>

use keyward_engine::{
    directory::{ReadError, records::RecordError},
    fault::{Fault, Internal},
    gate::Denied,
    marker::MarkerError,
    policy::document::PolicyError,
};
use keyward_store::{error::LimitError, sealed::SealedError};
use keyward_wire::json::Rejected;

/// A fault as IAM names it.
#[derive(Debug)]
pub enum IamFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// It is not the caller's to change.
    Protected {
        /// AWS's text.
        message: String,
    },
    /// Something still belongs to what was to be deleted.
    DeleteConflict {
        /// AWS's text.
        message: String,
    },
    /// The name is taken.
    EntityAlreadyExists {
        /// AWS's text.
        message: String,
    },
    /// Something failed on our side.
    Internal(Internal),
    /// A parameter is not valid.
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
    /// The credential report was requested too long ago.
    ReportExpired,
    /// No credential report was requested.
    ReportNotPresent,
    /// The policy cannot be attached to that.
    PolicyNotAttachable {
        /// AWS's text.
        message: String,
    },
    /// Only the service that it is linked to may change it.
    UnmodifiableEntity {
        /// AWS's text.
        message: String,
    },
    /// A parameter fails the model's constraints.
    Validation {
        /// AWS's text.
        message: String,
    },
    /// A parameter is not a text of its type.
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

impl From<MarkerError> for IamFault {
    fn from(error: MarkerError) -> Self {
        match error {
            MarkerError::Invalid => Self::Validation {
                message: "Invalid Marker.".to_owned(),
            },
            MarkerError::Internal(internal) => Self::Internal(internal),
        }
    }
}

impl From<SealedError> for IamFault {
    fn from(error: SealedError) -> Self {
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

impl IamFault {
    /// A quota of AWS's is used up.
    pub fn quota(name: &str, most: impl std::fmt::Display) -> Self {
        Self::LimitExceeded {
            message: format!("Cannot exceed quota for {name}: {most}"),
        }
    }

    /// Something is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::NoSuchEntity { message }
    }

    /// Everything that belongs to an entity must be removed before it is deleted: each kind with
    /// what must be done first, in AWS's order.
    ///
    /// # Errors
    /// `DeleteConflict` for the first that is left.
    pub fn check_nothing_left(left: &[(bool, &str)]) -> Result<(), Self> {
        match left.iter().find(|(is_left, _)| *is_left) {
            Some((_, first)) => Err(Self::DeleteConflict {
                message: format!("Cannot delete entity, must {first} first."),
            }),
            None => Ok(()),
        }
    }

    /// A parameter is not valid.
    pub fn invalid(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::InvalidInput { message }
    }
}

impl From<IamFault> for Fault {
    fn from(fault: IamFault) -> Self {
        use IamFault as F;
        let (code, status, message) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDenied", 403),
            F::Internal(internal) => return Self::internal("ServiceFailure", internal),
            // AWS returns no more details.
            F::ReportExpired => return Self::new("ReportExpired", None).status(410),
            F::ReportNotPresent => return Self::new("ReportNotPresent", None).status(410),
            F::Protected { message } => ("AccessDenied", 403, message),
            F::PolicyNotAttachable { message } => ("PolicyNotAttachable", 400, message),
            F::UnmodifiableEntity { message } => ("UnmodifiableEntity", 400, message),
            F::DeleteConflict { message } => ("DeleteConflict", 409, message),
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
