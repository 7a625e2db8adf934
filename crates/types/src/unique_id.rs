//! IAM's unique ids: `AIDA…` of users, `AROA…` of roles, and the access key ids.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a unique id names, by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UniqueIdKind {
    /// `AIDA`: an IAM user.
    User,
    /// `AROA`: a role.
    Role,
    /// `AGPA`: a group.
    Group,
    /// `ANPA`: a managed policy.
    ManagedPolicy,
    /// `AIPA`: an instance profile.
    InstanceProfile,
}

impl UniqueIdKind {
    /// The four letters that ids of this kind begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Role => "AROA",
            Self::Group => "AGPA",
            Self::ManagedPolicy => "ANPA",
            Self::InstanceProfile => "AIPA",
        }
    }
}

/// A unique id: four letters for the kind and more after them; those that Keyward creates have 17
/// of `A–Z2–7`. It is never used again, so a principal that is created again under an old name does
/// not inherit the permissions of the old one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UniqueId(Box<str>);

/// The text does not have the form of a unique id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a unique id is 16 to 128 characters of A-Z and 0-9, the first A")]
pub struct UniqueIdError;

impl UniqueId {
    /// A new id of a kind from 17 random bytes.
    pub fn from_random(kind: UniqueIdKind, bytes: [u8; 17]) -> Self {
        let mut text = String::from(kind.prefix());
        text.extend(bytes.iter().map(|byte| letter(*byte)));
        Self(text.into())
    }

    /// An id for an identity that has none, where policies are tried out of any server. No text
    /// parses to it, so no policy can name it.
    pub fn stand_in(kind: UniqueIdKind, number: u64) -> Self {
        Self(format!("{}-{number:016x}", kind.prefix()).into())
    }

    /// Parses an id of any kind, in the lengths that IAM's model gives.
    pub fn parse(text: &str) -> Result<Self, UniqueIdError> {
        let legal = (16..=128).contains(&text.len())
            && text.starts_with('A')
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if legal {
            Ok(Self(text.into()))
        } else {
            Err(UniqueIdError)
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it names, if the prefix is one that principals and policies have.
    pub fn kind(&self) -> Option<UniqueIdKind> {
        [
            UniqueIdKind::User,
            UniqueIdKind::Role,
            UniqueIdKind::Group,
            UniqueIdKind::ManagedPolicy,
            UniqueIdKind::InstanceProfile,
        ]
        .into_iter()
        .find(|kind| self.0.starts_with(kind.prefix()))
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UniqueId {
    type Error = UniqueIdError;
    fn try_from(text: String) -> Result<Self, UniqueIdError> {
        Self::parse(&text)
    }
}

impl From<UniqueId> for String {
    fn from(id: UniqueId) -> String {
        id.0.into()
    }
}

/// An access key id: what a signature's credential begins with. Ids that Keyward creates have 20
/// characters; those chosen at first start have 4 to 128 of `[A-Za-z0-9_-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessKeyId(Box<str>);

/// The text does not have the form of an access key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access key id has 4 to 128 characters of [A-Za-z0-9_-]")]
pub struct AccessKeyIdError;

impl AccessKeyId {
    /// Parses 4 to 128 characters of `[A-Za-z0-9_-]`.
    pub fn parse(text: &str) -> Result<Self, AccessKeyIdError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (4..=128).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(AccessKeyIdError)
        }
    }

    /// A new long-term id (`AKIA…`) that carries its account as AWS's have since 2019, from 7
    /// random bytes.
    pub fn long_term(account: AccountId, random: [u8; 7]) -> Self {
        Self(mint("AKIA", account, random).into())
    }

    /// A new temporary id (`ASIA…`), likewise.
    pub fn temporary(account: AccountId, random: [u8; 7]) -> Self {
        Self(mint("ASIA", account, random).into())
    }

    /// The account that an id of AWS's present form carries (20 characters, `AKIA…` or `ASIA…`).
    pub fn account(&self) -> Option<AccountId> {
        let rest = self
            .0
            .strip_prefix("AKIA")
            .or_else(|| self.0.strip_prefix("ASIA"))?;
        let mut digits = Vec::with_capacity(16);
        for byte in rest.bytes() {
            let value = ALPHABET.iter().position(|letter| *letter == byte)?;
            digits.push(u64::try_from(value).ok()?);
        }
        let (eight, others) = digits.split_at_checked(8)?;
        let (ninth, 8) = (others.first()?, others.len()) else {
            return None;
        };
        let half = eight.iter().fold(0, |half, digit| half << 5 | digit);
        // Ids older than that form begin with another bit.
        let half = half.checked_sub(1 << 39)?;
        AccountId::parse(&format!("{:012}", half * 2 + (ninth >> 4))).ok()
    }

    /// Whether the id is one of temporary credentials, which need a session token.
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with("ASIA")
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AccessKeyId {
    type Error = AccessKeyIdError;
    fn try_from(text: String) -> Result<Self, AccessKeyIdError> {
        Self::parse(&text)
    }
}

impl From<AccessKeyId> for String {
    fn from(id: AccessKeyId) -> String {
        id.0.into()
    }
}

fn letter(byte: u8) -> char {
    ALPHABET
        .get(usize::from(byte & 31))
        .copied()
        .map_or('A', char::from)
}

/// Prefix, eight characters of `account / 2 + 2^39` in base 32, one that tells odd accounts
/// from even ones, and seven random characters.
fn mint(prefix: &str, account: AccountId, random: [u8; 7]) -> String {
    let half = account.number() / 2 + (1 << 39);
    let odd = u8::try_from(account.number() % 2).unwrap_or(0);
    let mut text = String::from(prefix);
    for index in (0..8).rev() {
        let five = u8::try_from(half >> (5 * index) & 31).unwrap_or(0);
        text.push(letter(five));
    }
    let [first, rest @ ..] = random;
    text.push(letter(first & 15 | odd << 4));
    text.extend(rest.iter().map(|byte| letter(*byte)));
    // Twenty characters: prefix 4, account 8, parity 1, random 6, and one more random.
    text.push(letter(first >> 3));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_access_key_id_carries_its_account() {
        let account = AccountId::parse("609629065308").unwrap();
        let id = AccessKeyId::temporary(account, [0; 7]);
        // AWS's example ASIAY34FZKBOKMUTVV7A belongs to the same account.
        assert_eq!(id.as_str().len(), 20);
        assert!(id.as_str().starts_with("ASIAY34FZKBO"), "{id}");
        assert!(id.is_temporary());
    }

    #[test]
    fn the_account_of_an_access_key_id_is_read_back() {
        // AWS's own example.
        let id = AccessKeyId::parse("ASIAY34FZKBOKMUTVV7A").unwrap();
        assert_eq!(id.account().unwrap().as_str(), "609629065308");
        for account in [
            "000000000000",
            "000000000001",
            "111122223333",
            "999999999999",
        ] {
            let account = AccountId::parse(account).unwrap();
            for random in [[0; 7], [0xff; 7]] {
                assert_eq!(
                    AccessKeyId::long_term(account, random).account(),
                    Some(account)
                );
                assert_eq!(
                    AccessKeyId::temporary(account, random).account(),
                    Some(account)
                );
            }
        }
        for other in [
            "AKIA",
            "AKIAIOSFODNN7EXAMPLE",
            "test",
            "AKIAY34FZKBOKMUTVV7",
            "AIDAY34FZKBOKMUTVV7A",
        ] {
            assert_eq!(
                AccessKeyId::parse(other).unwrap().account(),
                None,
                "{other}"
            );
        }
    }

    #[test]
    fn a_unique_id_knows_its_kind() {
        let id = UniqueId::from_random(UniqueIdKind::User, [9; 17]);
        assert_eq!(id.as_str(), "AIDAJJJJJJJJJJJJJJJJJ");
        assert_eq!(
            UniqueId::parse(id.as_str()).unwrap().kind(),
            Some(UniqueIdKind::User)
        );
        assert_eq!(UniqueId::parse("AIDA"), Err(UniqueIdError));
    }

    #[test]
    fn ids_of_other_makers_are_read_too() {
        assert!(UniqueId::parse("AROA1234567890EXAMPLE").is_ok());
        assert!(UniqueId::parse("AIDAEXAMPLE12345").is_ok());
        for bad in [
            "AIDAEXAMPLE1234",
            "AIDAEXAMPLEexample1",
            "arn:aws:iam::1:role/x",
        ] {
            assert_eq!(UniqueId::parse(bad), Err(UniqueIdError), "{bad}");
        }
    }

    #[test]
    fn no_text_parses_to_a_stand_in() {
        let id = UniqueId::stand_in(UniqueIdKind::Role, 7);
        assert_eq!(id.as_str(), "AROA-0000000000000007");
        assert_eq!(id.kind(), Some(UniqueIdKind::Role));
        assert_eq!(UniqueId::parse(id.as_str()), Err(UniqueIdError));
    }
}
