//! Why a token is not believed.

use crate::fetch::FetchError;

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a JSON Web Token, or is signed in a way that is not accepted.
    #[error("it is not a JSON Web Token with a signature that is accepted")]
    Malformed,
    /// A claim that must be there is not.
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    /// A claim is not of its type, or not within its bounds.
    #[error("the claim `{0}` is not valid")]
    InvalidClaim(&'static str),
    /// The issuer is not the one that is trusted.
    #[error("the issuer `{0}` is not trusted")]
    UnknownIssuer(String),
    /// It is for another client.
    #[error("it is for another audience")]
    WrongAudience,
    /// It has expired.
    #[error("it expired at {expires}, and it is now {now}")]
    Expired {
        /// Now, in seconds since 1970.
        now: i64,
        /// When it expired.
        expires: i64,
    },
    /// It is not valid yet.
    #[error("it is valid from {from}, and it is now {now}")]
    NotYetValid {
        /// Now, in seconds since 1970.
        now: i64,
        /// From when it is valid.
        from: i64,
    },
    /// The signature is not by a key of the issuer.
    #[error("it was not signed with a key of the issuer")]
    WrongSignature,
    /// The issuer publishes no key that could have signed it, or not as it must.
    #[error("the issuer publishes no key that can verify it")]
    NoKey(#[source] NoKey),
    /// The issuer did not answer.
    #[error("the issuer did not answer")]
    Unreachable(#[source] FetchError),
}

/// Why there is no key; for the log and not for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// A document could not be fetched, and another try would not help.
    #[error(transparent)]
    Fetch(FetchError),
    /// The discovery document is not what it must be.
    #[error("the discovery document is malformed, or is that of another issuer")]
    Discovery,
    /// The key set is not what it must be.
    #[error("the key set is malformed, or too large")]
    KeySet,
    /// No key of the set fits.
    #[error("no key of the set has the token's key id and algorithm")]
    Unknown,
}
