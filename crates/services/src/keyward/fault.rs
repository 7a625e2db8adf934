//! The faults of Keyward's own service: KMS's where it works on keys, and AWS's for a request that
//! proves nobody.

use keyward_wire::{json::Rejected, sigv4::AuthError};

use crate::{
    directory::ReadError,
    fault::{Fault, Internal},
    gate::Denied,
    kms::fault::KmsFault,
};

/// A fault of the service `keyward`.
#[derive(Debug)]
pub enum KeywardFault {
    /// The presented request proves nobody.
    Unproven(AuthError),
    /// Only a service may do this.
    NotAService {
        /// The caller's ARN.
        caller: String,
        /// The operation.
        operation: &'static str,
    },
    /// As KMS says it.
    Kms(KmsFault),
}

impl From<KmsFault> for KeywardFault {
    fn from(fault: KmsFault) -> Self {
        Self::Kms(fault)
    }
}

impl From<AuthError> for KeywardFault {
    fn from(error: AuthError) -> Self {
        Self::Unproven(error)
    }
}

impl From<Denied> for KeywardFault {
    fn from(denied: Denied) -> Self {
        Self::Kms(denied.into())
    }
}

impl From<Rejected> for KeywardFault {
    fn from(rejected: Rejected) -> Self {
        Self::Kms(rejected.into())
    }
}

impl From<ReadError> for KeywardFault {
    fn from(error: ReadError) -> Self {
        Self::Kms(error.into())
    }
}

impl From<Internal> for KeywardFault {
    fn from(internal: Internal) -> Self {
        Self::Kms(KmsFault::Internal(internal))
    }
}

impl From<KeywardFault> for Fault {
    fn from(fault: KeywardFault) -> Self {
        match fault {
            KeywardFault::Kms(fault) => fault.into(),
            KeywardFault::Unproven(error) => {
                let wire = error.json();
                let message = wire.message.map(std::borrow::Cow::into_owned);
                let code = match wire.code {
                    std::borrow::Cow::Borrowed(code) => code,
                    std::borrow::Cow::Owned(_) => "InvalidSignatureException",
                };
                Self::new(code, message).status(wire.status)
            }
            KeywardFault::NotAService { caller, operation } => {
                let message = format!(
                    "User: {caller} is not authorized to perform: keyward:{operation} because only a service that was given credentials may"
                );
                Self::new("AccessDeniedException", Some(message)).audited_as("AccessDenied")
            }
        }
    }
}
