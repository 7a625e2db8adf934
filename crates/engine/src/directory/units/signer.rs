//! A secret that signatures are verified with, and the signing keys made from it, which die with
//! it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use keyward_crypto::secret::arena::{Arena, ArenaSecret};
use keyward_types::region::Region;
use keyward_wire::sigv4::SigningKey;

/// The most services whose signing keys a signer keeps: the first rows of the table of services, which
/// has fewer today. Requests to others need a derivation each.
pub const MOST_KEPT: usize = 12;

/// The secret of an access key or a session.
#[derive(Debug)]
pub struct SigningSecret {
    secret: ArenaSecret,
    arena: Arena,
    signing: [ArcSwapOption<CachedSigningKey>; MOST_KEPT],
}

#[derive(Debug)]
struct CachedSigningKey {
    date: Box<str>,
    region: Region,
    key: ArenaSecret,
}

impl SigningSecret {
    /// A signer whose secret is in the arena.
    pub(crate) fn new(secret: ArenaSecret, arena: Arena) -> Self {
        Self {
            secret,
            arena,
            signing: [const { ArcSwapOption::const_empty() }; MOST_KEPT],
        }
    }

    /// Lends the signing key of a credential scope, made once for each day, Region and service that is
    /// served; `row` is the service's row in the table of services, if it has one.
    pub(crate) fn with_signing_key<T>(
        &self,
        (date, region, service): (&str, Region, &str),
        row: Option<usize>,
        work: impl FnOnce(&[u8; 32]) -> T,
    ) -> Option<T> {
        let place = row.and_then(|row| self.signing.get(row));
        let cached = place.map(|place| place.load());
        if let Some(cached) = cached
            .as_ref()
            .and_then(|cached| cached.as_deref())
            .filter(|c| *c.date == *date && c.region == region)
        {
            return cached.key.expose_array().map(work);
        }
        let key = SigningKey::derive(self.secret.expose(), date, region.as_str(), service);
        let key = key.into_secret();
        // Kept only while there is room for what cannot be derived again.
        if let Some(place) = place
            && !self.arena.is_nearly_full()
            && let Ok(stored) = self.arena.store(&key)
        {
            let cached = CachedSigningKey {
                date: date.into(),
                region,
                key: stored,
            };
            place.store(Some(Arc::new(cached)));
        }
        key.expose_array().map(work)
    }
}
