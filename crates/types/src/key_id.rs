//! KMS key ids and key ARNs.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id>

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};
use uuid::fmt::Hyphenated;

use crate::{account::AccountId, partition::Partition, region::Region};

/// The id of a KMS key: a UUID, or `mrk-` with 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(ArrayString<36>);

/// The text is not a valid key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid key id")]
pub struct KeyIdError;

impl KeyId {
    /// Parses either shape. Letters of a UUID may be in either case and are kept as they are.
    pub fn parse(text: &str) -> Result<Self, KeyIdError> {
        if !is_uuid(text) && !is_multi_region(text) {
            return Err(KeyIdError);
        }
        ArrayString::from(text).map(Self).map_err(|_| KeyIdError)
    }

    /// A single-Region id from 16 random bytes (RFC 9562 version 4).
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let mut text = [0; Hyphenated::LENGTH];
        let text = id.hyphenated().encode_lower(&mut text);
        // INVARIANT: both have 36 bytes, so the fallback is never taken.
        Self(ArrayString::from(text).unwrap_or_default())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the id of a multi-Region key.
    pub fn is_multi_region(&self) -> bool {
        self.0.starts_with("mrk-")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;
    fn try_from(text: String) -> Result<Self, KeyIdError> {
        Self::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.as_str().to_owned()
    }
}

/// The ARN of a KMS key, with its text at hand since every answer and every decision needs it.
/// Clones share one allocation, since a request passes it from step to step.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyArn(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Parts {
    partition: Partition,
    region: Region,
    account: AccountId,
    id: KeyId,
    text: Box<str>,
}

impl KeyArn {
    /// The ARN of a key in a Region and account.
    pub fn new(region: Region, account: AccountId, id: KeyId) -> Self {
        let partition = region.partition();
        let text = [
            "arn:",
            partition.as_str(),
            ":kms:",
            region.as_str(),
            ":",
            account.as_str(),
            ":key/",
            id.as_str(),
        ]
        .concat();
        Self(Arc::new(Parts {
            partition,
            region,
            account,
            id,
            text: text.into(),
        }))
    }

    /// The ARN's text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The partition.
    pub fn partition(&self) -> Partition {
        self.0.partition
    }

    /// The Region.
    pub fn region(&self) -> Region {
        self.0.region
    }

    /// The account that owns the key.
    pub fn account(&self) -> AccountId {
        self.0.account
    }

    /// The key's id.
    pub fn id(&self) -> &KeyId {
        &self.0.id
    }
}

impl Hash for KeyArn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Ids are random, so they alone tell keys apart.
        self.0.id.hash(state);
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_multi_region(text: &str) -> bool {
    text.strip_prefix("mrk-").is_some_and(|hex| {
        hex.len() == 32
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_parse_and_others_do_not() {
        for good in [
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "1234ABCD-12AB-34CD-56EF-1234567890AB",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
        ] {
            assert_eq!(KeyId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "foo",
            "1234abcd12ab34cd56ef1234567890ab",
            "mrk-1234",
            "mrk-1234ABCD12AB34CD56EF1234567890AB",
        ] {
            assert_eq!(KeyId::parse(bad), Err(KeyIdError), "{bad}");
        }
    }

    #[test]
    fn an_arn_takes_its_partition_from_the_region() {
        let region = Region::parse("cn-north-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let arn = KeyArn::new(region, account, KeyId::from_random([7; 16]));
        assert_eq!(
            arn.as_str(),
            "arn:aws-cn:kms:cn-north-1:111122223333:key/07070707-0707-4707-8707-070707070707"
        );
    }
}
