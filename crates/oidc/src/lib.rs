//! OpenID Connect: the tokens with which strangers prove who they are, and the issuers' keys.
//!
//! 1. [`token::UnverifiedToken::parse`] takes a token's text apart. Nothing of it is believed yet.
//! 2. The issuer that it claims leads to a [`issuers::TrustedIssuer`]: an URL and the audiences that
//!    somebody trusts it for. Who that is, this crate does not know.
//! 3. [`issuers::Issuers::verify`] turns both into an [`issuers::VerifiedToken`]; nothing else
//!    makes one. It keeps the issuers' keys ([`jwks::KeySet`]), which come in through one port,
//!    [`fetch::Fetch`].
//!
//! Nothing here opens a connection or reads a clock, and nothing knows an account or an operation.
//!
//! <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
#![forbid(unsafe_code)]

pub mod claims;
pub mod error;
pub mod fetch;
pub mod issuers;
pub mod jwks;
pub mod token;
pub mod url;
