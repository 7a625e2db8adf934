//! Every way to fail authentication, with AWS's codes and texts for both protocols.
//!
//! JSON services answer 400 to all of them; the Query services have names and statuses of their
//! own. <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>

use std::fmt;

use super::clock::Basic;
use super::credential_scope::ScopeError;
use crate::fault::Fault;

/// Why a request is not authenticated. Its `Display` is the message on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Neither an `Authorization` field nor, where it may stand, a presigned query.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// Credentials came, but parts of them are missing or malformed.
    #[error("{0}")]
    Incomplete(#[from] Incomplete),
    /// A field or parameter that decides something stands twice.
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
    /// Signed too long ago.
    #[error("Signature expired: {claimed} is now earlier than {bound} ({now} - {minutes} min.)")]
    Expired {
        /// The request's time.
        claimed: Basic,
        /// The earliest time accepted.
        bound: Basic,
        /// The server's clock.
        now: Basic,
        /// The skew allowed.
        minutes: u8,
    },
    /// Signed in the future.
    #[error(
        "Signature not yet current: {claimed} is still later than {bound} ({now} + {minutes} min.)"
    )]
    NotYetCurrent {
        /// The request's time.
        claimed: Basic,
        /// The latest time accepted.
        bound: Basic,
        /// The server's clock.
        now: Basic,
        /// The skew allowed.
        minutes: u8,
    },
    /// The access key is unknown, deleted or inactive, or the session token is not its own.
    #[error("The security token included in the request is invalid.")]
    UnknownAccessKey,
    /// The session is over. AWS writes this one without a full stop.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// The signature is another than the request's.
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
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::SignatureMismatch => "InvalidSignatureException",
            Self::UnknownAccessKey => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
        };
        Fault::new(code, 400).with_message(self.to_string())
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
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::SignatureMismatch => ("SignatureDoesNotMatch", 403),
            Self::UnknownAccessKey => ("InvalidClientTokenId", 403),
            Self::ExpiredToken => ("ExpiredToken", 403),
        };
        Fault::new(code, status).with_message(self.to_string())
    }
}

/// What is missing or malformed in the credentials of a request. What the caller sent is told
/// back to it, as AWS does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The `Authorization` field lacks parts, or no date came with it.
    Header {
        /// The parts.
        missing: Missing,
        /// The field.
        authorization: Box<str>,
    },
    /// A part of the `Authorization` field is no `name=value`.
    NotAPair {
        /// The part.
        word: Box<str>,
        /// The field.
        authorization: Box<str>,
    },
    /// The presigned query lacks parts.
    Query {
        /// The parts.
        missing: Missing,
        /// Whether `X-Amz-Algorithm` is missing or names another algorithm.
        algorithm: bool,
    },
    /// `X-Amz-Expires` is no number of seconds within a week.
    Expires,
    /// The credential has not five elements.
    Credential {
        /// The credential.
        value: Box<str>,
    },
    /// `SignedHeaders` holds something that is no name of a field.
    SignedHeaders,
    /// The date is none.
    Date {
        /// The date.
        value: Box<str>,
    },
}

/// Which parts of the credentials are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four parts, each there or not"
)]
pub struct Missing {
    /// The credential.
    pub credential: bool,
    /// The signature.
    pub signature: bool,
    /// The list of signed fields.
    pub signed_headers: bool,
    /// The time of the request.
    pub date: bool,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header {
                missing,
                authorization,
            } => {
                for (is_missing, sentence) in [
                    (missing.credential, "requires 'Credential' parameter."),
                    (missing.signature, "requires 'Signature' parameter."),
                    (
                        missing.signed_headers,
                        "requires 'SignedHeaders' parameter.",
                    ),
                    (
                        missing.date,
                        "requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                    ),
                ] {
                    if is_missing {
                        write!(f, "Authorization header {sentence} ")?;
                    }
                }
                write!(f, "Authorization={authorization}")
            }
            Self::NotAPair {
                word,
                authorization,
            } => write!(
                f,
                "'{word}' not a valid key=value pair (missing equal-sign) in Authorization \
                 header: '{authorization}'."
            ),
            Self::Query { missing, algorithm } => {
                for (is_missing, name) in [
                    (*algorithm, "X-Amz-Algorithm"),
                    (missing.credential, "X-Amz-Credential"),
                    (missing.signature, "X-Amz-Signature"),
                    (missing.signed_headers, "X-Amz-SignedHeaders"),
                    (missing.date, "X-Amz-Date"),
                ] {
                    if is_missing {
                        write!(f, "AWS query-string parameters must include '{name}'. ")?;
                    }
                }
                f.write_str("Re-examine the query-string parameters.")
            }
            Self::Expires => f.write_str(
                "X-Amz-Expires must be a number of seconds between 0 and 604800. Re-examine the \
                 query-string parameters.",
            ),
            Self::SignedHeaders => {
                f.write_str("SignedHeaders must be names of header fields between semicolons.")
            }
            Self::Credential { value } => write!(
                f,
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{value}'"
            ),
            Self::Date { value } => write!(
                f,
                "Date must be in ISO-8601 'basic format'. Got '{value}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            ),
        }
    }
}

impl std::error::Error for Incomplete {}
