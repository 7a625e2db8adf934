//! Every way to fail authentication, with AWS's codes and texts for both protocols.
//!
//! JSON services answer 400 to all of them, REST-JSON services 403; the Query services have names and
//! statuses of their own. <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>

use super::{clock::SkewError, credential_scope::ScopeError, incomplete::Incomplete};
use crate::fault::Fault;

/// Why a request is not authenticated. Its `Display` is the message on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Neither an `Authorization` field nor, where it is accepted, a presigned query.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// There are credentials, but parts of them are missing or malformed.
    #[error("{0}")]
    Incomplete(#[from] Incomplete),
    /// A field or parameter that matters occurs twice.
    #[error("Authorization requires exactly one '{0}'.")]
    Repeated(&'static str),
    /// More header fields or query parameters, or longer ones, than a client sends.
    #[error("The header fields of the request are too large.")]
    TooLarge,
    /// The credential scope is for something else.
    #[error("{0}")]
    Scope(#[from] ScopeError),
    /// The host is not signed, so the request could be meant for another server.
    #[error("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,
    /// A field that must be signed where present is not.
    #[error("'{0}' must be a 'SignedHeader' in the AWS Authorization.")]
    NotSigned(&'static str),
    /// Signed too long ago, or in the future.
    #[error("{0}")]
    Skew(#[from] SkewError),
    /// The access key is unknown, deleted or inactive, or the session token is not its own.
    #[error("The security token included in the request is invalid.")]
    UnknownAccessKey,
    /// The session has expired. AWS writes this message without a period.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// The signature is not that of the request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    SignatureMismatch,
}

impl AuthError {
    /// How a JSON service answers.
    pub fn json(&self) -> Fault {
        let code = match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::Incomplete(_) | Self::Repeated(_) | Self::TooLarge => {
                "IncompleteSignatureException"
            }
            Self::Scope(_)
            | Self::HostNotSigned
            | Self::NotSigned(_)
            | Self::Skew(_)
            | Self::SignatureMismatch => "InvalidSignatureException",
            Self::UnknownAccessKey => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
        };
        Fault::new(code, 400).with_message(self.to_string())
    }

    /// How a REST-JSON service answers: as one that speaks JSON, with another status.
    pub fn rest(&self) -> Fault {
        Fault {
            status: 403,
            ..self.json()
        }
    }

    /// How a Query service answers.
    pub fn query(&self) -> Fault {
        let (code, status) = match self {
            Self::MissingAuthenticationToken => ("MissingAuthenticationToken", 403),
            Self::Incomplete(_) | Self::Repeated(_) | Self::TooLarge => {
                ("IncompleteSignature", 400)
            }
            Self::Scope(_)
            | Self::HostNotSigned
            | Self::NotSigned(_)
            | Self::Skew(_)
            | Self::SignatureMismatch => ("SignatureDoesNotMatch", 403),
            Self::UnknownAccessKey => ("InvalidClientTokenId", 403),
            Self::ExpiredToken => ("ExpiredToken", 403),
        };
        Fault::new(code, status).with_message(self.to_string())
    }
}
