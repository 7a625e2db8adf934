//! What KMS stores, apart from grants and from keys, whose record is in `keyward-keys`.

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
    /// When it was created.
    pub created: Timestamp,
    /// When it was last given a key.
    pub updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use keyward_engine::directory::records::{decode, encode};

    use super::*;

    #[test]
    fn the_bytes_of_an_alias_are_those_of_stores_that_exist() {
        let text = r#"{"version":1,"name":"alias/a","target":"1234abcd-12ab-34cd-56ef-1234567890ab","created":1000,"updated":2000}"#;
        let alias: AliasRecord = decode(text.as_bytes()).unwrap();
        assert_eq!(alias.updated, Timestamp::from_millis(2000));
        assert_eq!(encode(&alias).unwrap(), text.as_bytes());
    }
}
