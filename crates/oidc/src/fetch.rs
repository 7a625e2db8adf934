//! The port through which issuers' documents come in. The server has the real one.

use std::{fmt, future::Future, pin::Pin};

use crate::url::HttpsUrl;

/// The longest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 256 << 10;

/// Fetches documents of issuers over `https`.
///
/// An implementation verifies TLS, follows no redirect, connects to no address that it is not
/// meant to reach, reads no more than [`MAX_DOCUMENT_BYTES`] and ends within a time limit.
pub trait Fetch: Send + Sync + fmt::Debug {
    /// The document at a URL.
    fn fetch<'a>(&'a self, url: &'a HttpsUrl) -> Fetching<'a>;
}

/// A document on its way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// Why a document cannot be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The name has no address.
    #[error("the issuer's name cannot be resolved")]
    Name,
    /// No connection, or it broke.
    #[error("the issuer cannot be reached")]
    Connection,
    /// The certificate is not one to trust, or TLS failed otherwise.
    #[error("TLS with the issuer failed")]
    Tls,
    /// It took too long.
    #[error("the issuer did not answer in time")]
    TimedOut,
    /// The issuer failed.
    #[error("the issuer answered HTTP status {0}")]
    Status(u16),
    /// A redirect, which is not followed.
    #[error("the issuer answered with a redirect")]
    Redirect,
    /// No address of the name is public or allowed by configuration, or the port is not.
    #[error(
        "the issuer's address is not public, or its port is not 443; `oidc.private_addresses` can allow both"
    )]
    NotAllowed,
    /// The document is too long.
    #[error("the issuer's document is too long")]
    TooLarge,
}

impl FetchError {
    /// Whether nobody is known to have answered.
    ///
    /// A caller hears the same of all of these: who may name an issuer must not learn from it
    /// what this server can reach.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Name | Self::Connection | Self::TimedOut | Self::Tls | Self::NotAllowed => true,
            Self::Status(status) => *status >= 500,
            Self::Redirect | Self::TooLarge => false,
        }
    }
}
