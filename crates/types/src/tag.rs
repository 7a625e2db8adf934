//! Tags of keys and principals.

use serde::{Deserialize, Serialize};

/// A tag: a key of 1 to 128 characters and a value of 0 to 256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The tag's key, compared exactly in KMS and without case in IAM.
    pub key: String,
    /// The tag's value.
    pub value: String,
}

/// Whether all characters of the text are in `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, as tags are in IAM and
/// STS.
pub fn is_tag_text(text: &str) -> bool {
    let space = |c: char| c.is_whitespace() && !c.is_control();
    let legal = |c: char| c.is_alphanumeric() || space(c) || "_.:/=+-@".contains(c);
    text.chars().all(legal)
}

/// Whether the name begins with AWS's reserved prefix.
pub fn is_aws_owned(name: &str) -> bool {
    name.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}
