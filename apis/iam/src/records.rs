//! What IAM stores, apart from users, groups, roles, managed policies and identity providers, from whose
//! records the engine builds callers.

use keyward_engine::directory::records::V1;
use keyward_types::{account::AccountId, tag::Tag, time::Timestamp, unique_id::UniqueId};
use serde::{Deserialize, Serialize};

/// An instance profile: a role as virtual machines are given it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceProfileRecord {
    /// The record's version.
    pub version: V1,
    /// `AIPA…`.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its path, `/` at both ends.
    pub path: String,
    /// When it was created.
    pub created: Timestamp,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
    /// The role that is in it. An index says the same under the role.
    pub role: Option<UniqueId>,
}

/// When a credential report was last requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialReportRecord {
    /// The record's version.
    pub version: V1,
    /// When.
    pub asked: Timestamp,
}

/// The alias of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountAliasRecord {
    /// The record's version.
    pub version: V1,
    /// The account.
    pub account: AccountId,
    /// The name, unique in its partition.
    pub alias: String,
}

#[cfg(test)]
mod tests {
    use keyward_engine::directory::records::{decode, encode};
    use serde::de::DeserializeOwned;

    use super::*;

    fn is_as_before<R: Serialize + DeserializeOwned>(text: &str) {
        let record: R = decode(text.as_bytes()).unwrap();
        assert_eq!(encode(&record).unwrap(), text.as_bytes());
    }

    #[test]
    fn the_bytes_of_records_are_those_of_stores_that_exist() {
        is_as_before::<InstanceProfileRecord>(
            r#"{"version":1,"id":"AIPAIOSFODNN7EXAMPLE","name":"p","path":"/","created":1000,"tags":[{"key":"k","value":"v"}],"role":"AROAIOSFODNN7EXAMPLE"}"#,
        );
        is_as_before::<CredentialReportRecord>(r#"{"version":1,"asked":1000}"#);
        is_as_before::<AccountAliasRecord>(
            r#"{"version":1,"account":"111122223333","alias":"example"}"#,
        );
    }
}
