//! Incomplete credentials, in AWS's words.

use std::fmt;

/// What is missing or malformed in the credentials of a request. The message repeats what the
/// caller sent, as at AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The `Authorization` field lacks parts, or there is no date.
    Header {
        /// The parts.
        missing: Missing,
        /// The field.
        authorization: Box<str>,
    },
    /// A part of the `Authorization` field is not of the form `name=value`.
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
    /// `X-Amz-Expires` is not a number of seconds within a week.
    Expires,
    /// The credential does not have five elements.
    Credential {
        /// The credential.
        value: Box<str>,
    },
    /// `SignedHeaders` contains something that is not the name of a field.
    SignedHeaders,
    /// The date is malformed.
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
