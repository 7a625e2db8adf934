//! Key policies between the wire and the record: checked, bound to unique ids, shown again.

use keyward_engine::{
    fault::Internal,
    policy::{
        document::{Document, PolicyError, PolicyKind},
        policy::Policy,
        record::PolicyRecord,
        render,
    },
};
use keyward_keys::record::KeyRecord;
use keyward_types::{account::AccountId, partition::Partition, unique_id::UniqueId};

use crate::{Cx, fault::KmsFault};

/// The only name that a key policy has.
pub const DEFAULT_POLICY_NAME: &str = "default";

/// A policy that may be stored.
#[derive(Debug)]
pub struct CheckedPolicy {
    /// As it is stored.
    pub record: PolicyRecord,
    /// As it is decided by.
    pub policy: Policy,
}

impl From<PolicyError> for KmsFault {
    fn from(error: PolicyError) -> Self {
        let message = error.to_string();
        match error {
            PolicyError::Malformed(_) => Self::MalformedPolicyDocument { message },
            PolicyError::TooLong(_) => Self::LimitExceeded { message },
            PolicyError::Characters => Self::Validation { message },
        }
    }
}

/// The policy of a key that is created without one.
pub fn default_policy(partition: Partition, account: AccountId) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Id":"key-default-1","Statement":[{{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
    )
}

impl Cx<'_> {
    /// Reads a key policy and finds everybody it names. What is wrong with the policy is returned
    /// separately, so that the operation tells it only to those who may put a policy.
    ///
    /// # Errors
    /// When those it names cannot be looked up.
    pub async fn check_policy(
        &self,
        text: &str,
    ) -> Result<Result<CheckedPolicy, PolicyError>, KmsFault> {
        let document = match Document::parse(text, PolicyKind::Key) {
            Ok(document) => document,
            Err(error) => return Ok(Err(error)),
        };
        let partition = self.partition();
        let principals = match self
            .directory()
            .bind_principals(partition, &document)
            .await?
        {
            Ok(principals) => principals,
            Err(error) => return Ok(Err(error)),
        };
        let policy = Policy::compile(&document, &principals);
        let record = PolicyRecord {
            text: text.to_owned(),
            principals,
        };
        Ok(Ok(CheckedPolicy { record, policy }))
    }

    /// The text of a stored policy as GetKeyPolicy shows it.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn policy_for_display(&self, key: &KeyRecord) -> Result<String, KmsFault> {
        self.stored_for_display(&key.policy, PolicyKind::Key).await
    }

    /// The text of a stored policy with principals, those turned into their ARNs of today.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn stored_for_display(
        &self,
        policy: &PolicyRecord,
        kind: PolicyKind,
    ) -> Result<String, KmsFault> {
        let document = Document::parse(&policy.text, kind)
            .map_err(|error| KmsFault::Internal(Internal::new(error)))?;
        let today = self
            .directory()
            .arns_today(&document, &policy.principals)
            .await?;
        Ok(render::for_display(
            &document,
            &policy.principals,
            self.partition(),
            &|id: &UniqueId| today.get(id).cloned(),
        ))
    }
}
