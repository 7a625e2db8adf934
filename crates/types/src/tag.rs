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
