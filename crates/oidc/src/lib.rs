//! OpenID Connect: the tokens with which strangers prove who they are, and the issuers' keys.
//!
//! A token's text is taken apart by [`token::UnverifiedToken::parse`]; the issuer it claims leads
//! to the account's provider; [`issuers::Issuers::verify`] alone turns both into a
//! [`VerifiedToken`].
//!
//! <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
#![forbid(unsafe_code)]

pub mod claims;
pub mod fetch;
pub mod issuers;
pub mod jwks;
pub mod token;
pub mod url;

use keyward_types::tag::Tag;

use crate::{claims::Claims, fetch::FetchError};

/// What an account says of an issuer it trusts.
#[derive(Clone, Copy, Debug)]
pub struct TrustedIssuer<'a> {
    /// The issuer's URL, `https://` included.
    pub url: &'a str,
    /// The audiences that tokens may be for.
    pub client_ids: &'a [String],
}

/// A token whose signature, issuer, audience and times were found right. Only
/// [`issuers::Issuers::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Claims,
    audience: String,
}

impl VerifiedToken {
    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// Whom the token is about.
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// The client that the token is for: the authorized party if there is one, else the first
    /// audience that the account listed.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// How the subject was authenticated.
    pub fn authentication_methods(&self) -> &[String] {
        &self.claims.authentication_methods
    }

    /// The session tags that the issuer sets.
    pub fn tags(&self) -> &[Tag] {
        &self.claims.tags
    }

    /// Which of the tags pass along a chain of roles.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.claims.transitive_tag_keys
    }

    /// The source identity that the issuer sets.
    pub fn source_identity(&self) -> Option<&str> {
        self.claims.source_identity.as_deref()
    }
}

/// Why a token is not believed. Displays as AWS's text where one is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JSON Web Token, or is signed in a way that is not accepted.
    #[error(
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
    )]
    Malformed,
    /// A claim that must be there is not.
    #[error("Missing a required claim: {0}")]
    MissingClaim(&'static str),
    /// A claim of ours is not as AWS describes it.
    #[error("The claim {0} is not valid.")]
    InvalidClaim(&'static str),
    /// The account does not trust the issuer.
    #[error("No OpenIDConnect provider found in your account for {0}")]
    UnknownIssuer(String),
    /// It is for somebody else.
    #[error("Incorrect token audience")]
    WrongAudience,
    /// Its time is over.
    #[error(
        "Token expired: current date/time {now} must be before the expiration date/time{expires}"
    )]
    Expired {
        /// Now, in seconds since 1970.
        now: i64,
        /// When it expired.
        expires: i64,
    },
    /// Its time has not come.
    #[error("The token is not valid yet: the current date/time {now} must not be before {from}")]
    NotYetValid {
        /// Now, in seconds since 1970.
        now: i64,
        /// From when it is valid.
        from: i64,
    },
    /// The signature is not by a key of the issuer.
    #[error("The signature of the token is not valid.")]
    WrongSignature,
    /// The issuer publishes no key that could have signed it, or not as it must.
    #[error(
        "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
    )]
    NoKey(NoKey),
    /// The issuer did not answer.
    #[error("The identity provider could not be reached to verify the token.")]
    Unreachable(FetchError),
}

/// Why there is no key; for the log and not for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// A document could not be had, and another try would not help.
    #[error(transparent)]
    Fetch(FetchError),
    /// The discovery document is not what it must be.
    #[error("the discovery document is malformed, or of another issuer")]
    Discovery,
    /// The key set is not what it must be.
    #[error("the key set is malformed, or too large")]
    KeySet,
    /// No key of the set fits.
    #[error("no key of the set has the token's key id and algorithm")]
    Unknown,
}
