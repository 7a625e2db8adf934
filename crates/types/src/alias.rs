//! Alias names and alias ARNs.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html>

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{account::AccountId, region::Region};

/// A well-formed alias name, `alias/` included: 1 to 256 characters of `[a-zA-Z0-9:/_-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AliasName(Box<str>);

/// Why a text is not an alias name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasNameError {
    /// It does not start with `alias/`.
    #[error("an alias name starts with `alias/`")]
    Prefix,
    /// The length is wrong, or a character is not allowed in alias names.
    #[error("an alias name has 1 to 256 characters of [a-zA-Z0-9:/_-]")]
    Shape,
}

impl AliasName {
    /// Parses a name with its `alias/` prefix.
    pub fn parse(text: &str) -> Result<Self, AliasNameError> {
        let Some(rest) = text.strip_prefix("alias/") else {
            return Err(AliasNameError::Prefix);
        };
        let legal =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'_' | b'-');
        if rest.is_empty() || text.len() > 256 || !text.bytes().all(legal) {
            return Err(AliasNameError::Shape);
        }
        Ok(Self(text.into()))
    }

    /// The name with its prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name belongs to AWS (`alias/aws/…`).
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("alias/aws/")
    }

    /// The ARN of the alias in a Region and account.
    pub fn arn(&self, region: Region, account: AccountId) -> String {
        format!("arn:{}:kms:{region}:{account}:{self}", region.partition())
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AliasName {
    type Error = AliasNameError;
    fn try_from(text: String) -> Result<Self, AliasNameError> {
        Self::parse(&text)
    }
}

impl From<AliasName> for String {
    fn from(name: AliasName) -> String {
        name.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_part_of_the_name() {
        assert_eq!(AliasName::parse("alias/app").unwrap().as_str(), "alias/app");
        assert_eq!(AliasName::parse("app"), Err(AliasNameError::Prefix));
        assert_eq!(AliasName::parse("alias/"), Err(AliasNameError::Shape));
        assert_eq!(AliasName::parse("alias/a b"), Err(AliasNameError::Shape));
        assert!(AliasName::parse("alias/aws/s3").unwrap().is_reserved());
    }
}
