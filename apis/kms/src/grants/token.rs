//! Grant tokens: sealed to a grant, different each time, worth nothing to anybody but the grantee.
//!
//! A grant takes effect at once here, so a token adds nothing to it. It is still opened, and a
//! token that does not open is refused.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::{
    aead::{Aad, Purpose},
    derive::DerivedKey,
};
use keyward_engine::{fault::Internal, sealed_text};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    grant::GrantId,
    key_id::{KeyArn, KeyId},
    region::Region,
};

use crate::{Cx, fault::KmsFault};

const VERSION: u8 = 2;
/// What the key of the tokens is derived for.
const LABEL: &[u8] = b"keyward grant token";

/// The grant that a token is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOf {
    /// The key.
    pub key: KeyArn,
    /// The grant.
    pub grant: GrantId,
}

impl Cx<'_> {
    /// A new token of a grant.
    ///
    /// # Errors
    /// Never.
    pub fn seal_grant_token(&self, key: &KeyArn, grant: &GrantId) -> Result<String, KmsFault> {
        let (token_key, aad) = (self.grant_token_key(), self.grant_token_aad());
        let bytes = sealed_text::seal(&token_key, VERSION, &aad, &format!("{key} {grant}"));
        Ok(STANDARD.encode(bytes))
    }

    /// The grant of a token, which may be gone.
    ///
    /// # Errors
    /// `InvalidGrantTokenException` for a token that this server did not issue in this Region.
    pub fn open_grant_token(&self, token: &str) -> Result<TokenOf, KmsFault> {
        let opened = self.opened(token).and_then(|text| parse(&text));
        opened
            .filter(|of| of.key.region() == self.region)
            .ok_or(KmsFault::InvalidGrantToken)
    }

    /// Refuses tokens that do not open. What they are of is found without them.
    ///
    /// # Errors
    /// `InvalidGrantTokenException`.
    pub fn check_grant_tokens(&self, tokens: &[String]) -> Result<(), KmsFault> {
        for token in tokens {
            self.open_grant_token(token)?;
        }
        Ok(())
    }

    fn opened(&self, token: &str) -> Option<String> {
        let bytes = STANDARD.decode(token).ok()?;
        let (token_key, aad) = (self.grant_token_key(), self.grant_token_aad());
        sealed_text::open(&token_key, VERSION, &aad, &bytes)
    }

    fn grant_token_key(&self) -> DerivedKey {
        self.derived_key(LABEL, VERSION)
    }

    fn grant_token_aad(&self) -> Aad {
        Aad::new(Purpose::GrantToken, VERSION).part(self.directory().store_id().as_bytes())
    }
}

fn parse(content: &str) -> Option<TokenOf> {
    let (key, grant) = content.split_once(' ')?;
    let parts = ArnParts::parse(key)?;
    let region = Region::parse(parts.region).ok()?;
    let account = AccountId::parse(parts.account).ok()?;
    let id = KeyId::parse(parts.resource.strip_prefix("key/")?).ok()?;
    Some(TokenOf {
        key: KeyArn::new(region, account, id),
        grant: GrantId::parse(grant).ok()?,
    })
}

/// A fault of ours while a grant is handled.
pub fn internal(error: impl std::fmt::Display) -> KmsFault {
    KmsFault::Internal(Internal::new(error.to_string()))
}
