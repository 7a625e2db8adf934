//! The faults of the two services, each with its code, HTTP status and message. The codes are those of gRPC, which
//! Cloudera's control plane uses.

use keyward_altus::{
    Refusal,
    error::{
        self, ALREADY_EXISTS, FAILED_PRECONDITION, INTERNAL, INVALID_ARGUMENT, NOT_FOUND,
        PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE,
    },
};
use keyward_engine::{
    context::NoTurn,
    directory::ReadError,
    fault::{Fault, Internal},
    gate::Denied,
};
use keyward_store::{error::LimitError, path::PathError};
use keyward_wire::{json::Rejected, sigv4::AuthError};

/// A fault of one of the services.
#[derive(Debug)]
pub enum CdeFault {
    /// The caller is not proven.
    Unproven(Refusal),
    /// AWS's signature does not hold.
    Signature(AuthError),
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// The members are not what the model asks for.
    Rejected(Rejected),
    /// A member has a value that cannot be.
    Invalid(String),
    /// A member that this version does not serve.
    Unserved(&'static str),
    /// There is none of that name.
    NotFound {
        /// Such as `environment`.
        what: &'static str,
        /// As it was named.
        name: String,
    },
    /// There is one of that name.
    Exists {
        /// Such as `environment`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// As many as there may be.
    Limit {
        /// How many.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// Something is in a state in which that cannot be done.
    Precondition(String),
    /// There is no turn for a request that waited.
    NoTurn,
    /// Others changed the same thing at the same time, again and again.
    Contended,
    /// Something failed on our side.
    Internal(Internal),
}

impl CdeFault {
    /// Nothing of that kind has that name.
    pub fn not_found(what: &'static str, name: &str) -> Self {
        let name = name.to_owned();
        Self::NotFound { what, name }
    }
}

/// The body of a fault.
pub fn render(fault: &Fault) -> Vec<u8> {
    error::body(fault.code(), fault.http_status(), fault.message())
}

impl From<Refusal> for CdeFault {
    fn from(refusal: Refusal) -> Self {
        Self::Unproven(refusal)
    }
}

impl From<Denied> for CdeFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<Rejected> for CdeFault {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Internal> for CdeFault {
    fn from(internal: Internal) -> Self {
        Self::Internal(internal)
    }
}

impl From<ReadError> for CdeFault {
    fn from(error: ReadError) -> Self {
        Internal::new(error).into()
    }
}

impl From<PathError> for CdeFault {
    fn from(error: PathError) -> Self {
        Internal::new(error).into()
    }
}

impl From<LimitError> for CdeFault {
    fn from(error: LimitError) -> Self {
        Internal::new(error).into()
    }
}

impl From<NoTurn> for CdeFault {
    fn from(_: NoTurn) -> Self {
        Self::NoTurn
    }
}

impl From<CdeFault> for Fault {
    fn from(fault: CdeFault) -> Self {
        use CdeFault as F;
        let (code, status, message) = match fault {
            F::Unproven(refusal) => {
                let (code, status) = refusal.code();
                (code, status, refusal.to_string())
            }
            F::Signature(error) => {
                let wire = error.rest();
                let message = wire.message.unwrap_or(wire.code);
                (UNAUTHENTICATED, 401, message.into_owned())
            }
            F::AccessDenied(denied) => return denied.into_fault(PERMISSION_DENIED, 403),
            F::Rejected(rejected) => {
                let wire = keyward_wire::fault::Fault::from(&rejected);
                let message = wire.message.map(std::borrow::Cow::into_owned);
                return Self::new(INVALID_ARGUMENT, message).status(400);
            }
            F::Invalid(message) => (INVALID_ARGUMENT, 400, message),
            F::Unserved(member) => {
                let message = format!("{member} is not supported by this version of Keyward.");
                (INVALID_ARGUMENT, 400, message)
            }
            F::NotFound { what, name } => {
                let message = format!("There is no {what} {name}.");
                (NOT_FOUND, 404, message)
            }
            F::Exists { what, name } => {
                let message = format!("The {what} {name} exists already.");
                (ALREADY_EXISTS, 409, message)
            }
            F::Limit { most, what } => {
                let message = format!("There are {most} {what}, as many as there may be.");
                (RESOURCE_EXHAUSTED, 400, message)
            }
            F::Precondition(message) => (FAILED_PRECONDITION, 400, message),
            F::NoTurn => {
                let message = "The server is busy. Try again later.".to_owned();
                (UNAVAILABLE, 503, message)
            }
            F::Contended => {
                let message = "Other requests changed the same thing at the same time. Try again.";
                (UNAVAILABLE, 503, message.to_owned())
            }
            F::Internal(internal) => return Self::internal(INTERNAL, internal),
        };
        Self::new(code, Some(message)).status(status)
    }
}
