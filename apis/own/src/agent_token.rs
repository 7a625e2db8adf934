//! The text of an agent's token: where it is, its id, and its secret. The server stores only a hash
//! of the secret.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward_crypto::{digest::sha256, random, secret::SecretBytes};
use keyward_engine::directory::records::SecretText;
use keyward_types::{account::AccountId, region::Region, storage::AgentTokenId};

/// What every token begins with.
const PREFIX: &str = "keyward-agent";
/// Bytes of the secret.
const SECRET: usize = 32;
/// The longest text of a token.
pub const MAX_LENGTH: usize = 512;

/// A token as it was presented.
#[derive(Debug)]
pub struct Token {
    /// The Region that the agent would belong to.
    pub region: Region,
    /// The account.
    pub account: AccountId,
    /// The token's id.
    pub id: AgentTokenId,
    secret: SecretBytes,
}

impl Token {
    /// A new token.
    pub fn generate(region: Region, account: AccountId) -> Self {
        Self {
            region,
            account,
            id: AgentTokenId::from_random(random::array()),
            secret: random::secret(SECRET),
        }
    }

    /// Reads a token; `None` if it is not a text of one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '.');
        let prefix = parts.next()?;
        let region = Region::parse(parts.next()?).ok()?;
        let account = AccountId::parse(parts.next()?).ok()?;
        let id = AgentTokenId::parse(parts.next()?).ok()?;
        let secret = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let secret = SecretBytes::from_vec(secret);
        (prefix == PREFIX && secret.len() == SECRET).then_some(Self {
            region,
            account,
            id,
            secret,
        })
    }

    /// The text that an agent presents.
    pub fn text(&self) -> SecretText {
        let Self {
            region,
            account,
            id,
            ..
        } = self;
        let secret = URL_SAFE_NO_PAD.encode(self.secret.expose());
        SecretText::new(format!("{PREFIX}.{region}.{account}.{id}.{secret}"))
    }

    /// What is kept of the secret.
    pub fn hash(&self) -> String {
        let digits = sha256(self.secret.expose());
        digits.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        let region = Region::parse("us-west-2").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let token = Token::generate(region, account);
        let text = token.text();
        assert!(text.expose().len() <= MAX_LENGTH);
        let read = Token::parse(text.expose()).unwrap();
        assert_eq!(
            (read.region, read.account, &read.id),
            (region, account, &token.id)
        );
        assert_eq!(read.hash(), token.hash());
        assert_ne!(Token::generate(region, account).hash(), token.hash());
        let text = text.expose();
        for wrong in [
            "",
            "keyward-agent",
            &text.replace("keyward-agent", "keyward"),
            &text.replace("us-west-2", "us-west-9"),
            &text.replace("111122223333", "1"),
            &text.replace(".token-", "."),
            text.get(..text.len() - 4).unwrap(),
            &format!("{text}AAAA"),
            &format!("{text}."),
        ] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }
}
