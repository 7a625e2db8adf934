//! What KMS keeps beside keys, whose record is in `keyward-keys`, and grants.

use keyward_engine::directory::records::V1;
use keyward_types::{alias::AliasName, key_id::KeyId, time::Timestamp};
use serde::{Deserialize, Serialize};

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasRecord {
    /// The record's version.
    pub version: V1,
    /// The name, `alias/` included.
    pub name: AliasName,
    /// The key it leads to, of the same account and Region.
    pub target: KeyId,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last given a key.
    pub updated: Timestamp,
}
