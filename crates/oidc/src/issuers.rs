//! The issuers' keys, configured or fetched and kept for a while, and the check of a token.

use std::{collections::HashMap, fmt, sync::Arc};

use keyward_types::{
    tag::Tag,
    time::{Clock, Monotonic, Timestamp},
};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    claims::Claims,
    error::{NoKey, TokenError},
    fetch::{Fetch, FetchError},
    jwks::{KeySet, SignatureVerdict},
    token::UnverifiedToken,
    url::HttpsUrl,
};

/// How far the issuer's clock may differ from ours, in seconds.
const LEEWAY: i64 = 60;
/// How long fetched keys are believed, in milliseconds.
const MAX_AGE: u64 = 3_600_000;
/// How long a token with an unknown key id must wait for the keys to be fetched again.
const REFETCH_AFTER: u64 = 60_000;
/// How long a failed fetch is remembered, in milliseconds.
const RETRY_AFTER: u64 = 5_000;
/// The most issuers whose keys are kept.
const MAX_ISSUERS: usize = 1024;

/// What somebody who trusts an issuer says of it.
#[derive(Clone, Copy, Debug)]
pub struct TrustedIssuer<'a> {
    /// The issuer's URL, `https://` included.
    pub url: &'a str,
    /// The audiences that tokens may be for.
    pub client_ids: &'a [String],
}

/// A token whose signature, issuer, audience and times were found right. Only
/// [`Issuers::verify`] makes one.
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
    /// audience that is trusted.
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

/// What verifies tokens: one per server.
pub struct Issuers {
    fetch: Arc<dyn Fetch>,
    configured: HashMap<String, KeySet>,
    known: Mutex<HashMap<String, Arc<Known>>>,
}

/// What is known of one issuer.
#[derive(Debug, Default)]
struct Known {
    /// Its keys and when they were fetched.
    keys: Mutex<Option<(Monotonic, Arc<KeySet>)>>,
    /// Held while fetching: who needs the answer waits for it, and who can be answered by the keys
    /// at hand does not. When the last fetch failed, and how.
    fetching: AsyncMutex<Option<(Monotonic, TokenError)>>,
}

impl Known {
    /// What the keys at hand say, if they say enough for now.
    fn verdict(&self, token: &UnverifiedToken, now: Monotonic) -> Option<SignatureVerdict> {
        let keys = self.keys.lock().clone();
        let (at, keys) = keys.filter(|(at, _)| now.millis_since(*at) < MAX_AGE)?;
        let verdict = keys.verify(token);
        let enough = verdict != SignatureVerdict::NoKey || now.millis_since(at) < REFETCH_AFTER;
        enough.then_some(verdict)
    }
}

/// What an issuer says of itself, as far as it matters.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// Keys of the configured issuers as given, of all others by fetching.
    pub fn new(fetch: Arc<dyn Fetch>, configured: HashMap<String, KeySet>) -> Self {
        Self {
            fetch,
            configured,
            known: Mutex::default(),
        }
    }

    /// Verifies a token of an issuer that an account trusts: issuer, audience and times first,
    /// which cost nothing, then the signature. `before_waiting` is called before it waits for the issuer.
    ///
    /// # Errors
    /// The first thing that is not right.
    pub async fn verify(
        &self,
        token: &UnverifiedToken,
        trusted: &TrustedIssuer<'_>,
        clock: &dyn Clock,
        before_waiting: &(dyn Fn() + Sync),
    ) -> Result<VerifiedToken, TokenError> {
        let claims = &token.claims;
        if claims.issuer != trusted.url {
            return Err(TokenError::UnknownIssuer(claims.issuer.clone()));
        }
        let listed = |audience: &&String| trusted.client_ids.contains(*audience);
        let audience = match &claims.authorized_party {
            Some(party) => Some(party).filter(listed),
            None => claims.audiences.iter().find(listed),
        };
        let audience = audience.ok_or(TokenError::WrongAudience)?.clone();
        check_times(token, clock.now())?;
        match self.verdict(token, clock, before_waiting).await? {
            SignatureVerdict::Holds => Ok(VerifiedToken {
                claims: claims.clone(),
                audience,
            }),
            SignatureVerdict::Fails => Err(TokenError::WrongSignature),
            SignatureVerdict::NoKey => Err(TokenError::NoKey(NoKey::Unknown)),
        }
    }

    async fn verdict(
        &self,
        token: &UnverifiedToken,
        clock: &dyn Clock,
        before_waiting: &(dyn Fn() + Sync),
    ) -> Result<SignatureVerdict, TokenError> {
        let issuer = token.issuer();
        if let Some(keys) = self.configured.get(issuer) {
            return Ok(keys.verify(token));
        }
        let known = self.known(issuer);
        if let Some(verdict) = known.verdict(token, clock.monotonic()) {
            return Ok(verdict);
        }
        before_waiting();
        let mut failed = known.fetching.lock().await;
        let now = clock.monotonic();
        if let Some(verdict) = known.verdict(token, now) {
            return Ok(verdict);
        }
        if let Some((at, error)) = &*failed
            && now.millis_since(*at) < RETRY_AFTER
        {
            return Err(error.clone());
        }
        match self.fetch_keys(issuer).await {
            Ok(keys) => {
                let verdict = keys.verify(token);
                *known.keys.lock() = Some((now, Arc::new(keys)));
                *failed = None;
                Ok(verdict)
            }
            Err(error) => {
                let cause = match &error {
                    TokenError::NoKey(cause) => cause.to_string(),
                    TokenError::Unreachable(cause) => cause.to_string(),
                    other => other.to_string(),
                };
                tracing::warn!(issuer, cause, "the keys of an issuer cannot be fetched");
                // From its end: a failure may take as long as the time limit.
                *failed = Some((clock.monotonic(), error.clone()));
                Err(error)
            }
        }
    }

    fn known(&self, issuer: &str) -> Arc<Known> {
        let mut known = self.known.lock();
        if known.len() >= MAX_ISSUERS
            && !known.contains_key(issuer)
            && let Some(other) = known.keys().next().cloned()
        {
            known.remove(&other);
        }
        Arc::clone(known.entry(issuer.to_owned()).or_default())
    }

    async fn fetch_keys(&self, issuer: &str) -> Result<KeySet, TokenError> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = format!("{base}/.well-known/openid-configuration");
        let url = HttpsUrl::parse(&url).map_err(|_| TokenError::NoKey(NoKey::Discovery))?;
        let document = self.fetch.fetch(&url).await.map_err(unfetched)?;
        let discovery: Discovery =
            serde_json::from_slice(&document).map_err(|_| TokenError::NoKey(NoKey::Discovery))?;
        if discovery.issuer != issuer {
            return Err(TokenError::NoKey(NoKey::Discovery));
        }
        let url = HttpsUrl::parse(&discovery.jwks_uri)
            .map_err(|_| TokenError::NoKey(NoKey::Discovery))?;
        let document = self.fetch.fetch(&url).await.map_err(unfetched)?;
        KeySet::parse(&document).map_err(|_| TokenError::NoKey(NoKey::KeySet))
    }
}

fn unfetched(error: FetchError) -> TokenError {
    if error.is_silence() {
        TokenError::Unreachable(error)
    } else {
        TokenError::NoKey(NoKey::Fetch(error))
    }
}

fn check_times(token: &UnverifiedToken, now: Timestamp) -> Result<(), TokenError> {
    let (claims, now) = (&token.claims, now.seconds());
    if now >= claims.expires.saturating_add(LEEWAY) {
        let expires = claims.expires;
        return Err(TokenError::Expired { now, expires });
    }
    let from = claims.issued.max(claims.not_before.unwrap_or(i64::MIN));
    if now < from.saturating_sub(LEEWAY) {
        return Err(TokenError::NotYetValid { now, from });
    }
    Ok(())
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers")
            .field("fetch", &self.fetch)
            .field("configured", &self.configured.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
