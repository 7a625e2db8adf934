//! A stored policy with principals: a key policy or a role's trust policy.

use serde::{Deserialize, Serialize};

use crate::principal::Bindings;

/// The text of a policy, with the principals that it named when it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRecord {
    /// The document, as it was put.
    pub text: String,
    /// The unique ids of the users and roles that it names, by ARN, as they were when it was
    /// put; the policy is decided by these.
    pub principals: Bindings,
}

impl PolicyRecord {
    /// A policy that names no user and no role.
    pub fn unbound(text: String) -> Self {
        Self {
            text,
            principals: Bindings::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::unique_id::UniqueId;

    use super::*;

    #[test]
    fn a_record_is_its_text_and_a_map_from_arn_to_id() {
        let mut record = PolicyRecord::unbound("{}".to_owned());
        let id = UniqueId::parse("AIDAALICEALICEALICEAL").unwrap();
        record
            .principals
            .bind("arn:aws:iam::111122223333:user/alice", id);
        let bytes = serde_json::to_string(&record).unwrap();
        assert_eq!(
            bytes,
            r#"{"text":"{}","principals":{"arn:aws:iam::111122223333:user/alice":"AIDAALICEALICEALICEAL"}}"#
        );
        assert_eq!(
            serde_json::from_str::<PolicyRecord>(&bytes).unwrap(),
            record
        );
    }
}
