//! Key policies between the wire and the record: checked, bound to unique ids, shown again.

use std::collections::BTreeMap;

use keyward_keys::record::{KeyRecord, PolicyRecord};
use keyward_policy::{
    document::{Document, PolicyError, PolicyKind},
    policy::Policy,
    principal::{Bindings, PrincipalRef},
    render,
};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    unique_id::{UniqueId, UniqueIdKind},
};

use crate::{context::Context, fault::Internal, kms::fault::KmsFault};

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

/// The policy that a key has when its maker gives none.
pub fn default_policy(partition: Partition, account: AccountId) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Id":"key-default-1","Statement":[{{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
    )
}

impl Context<'_> {
    /// Reads a key policy and finds everybody it names. What is wrong with the policy is an
    /// answer of its own, for the operation to tell those who may put one.
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
        let mut principals = BTreeMap::new();
        for principal in document.principals() {
            let known = match &principal {
                PrincipalRef::User(arn) => match self.user_id_of(arn).await? {
                    Some(id) => {
                        principals.insert((*arn).to_owned(), id);
                        true
                    }
                    None => false,
                },
                PrincipalRef::Unique(id) => self.arn_of(id).await?.is_some(),
                // There are no roles yet, nor sessions of them.
                PrincipalRef::Role(_)
                | PrincipalRef::Session { .. }
                | PrincipalRef::FederatedUser(_) => false,
                PrincipalRef::Account { account, .. } => self
                    .directory()
                    .account(self.partition(), *account)
                    .await?
                    .is_some(),
                PrincipalRef::Everyone
                | PrincipalRef::Service(_)
                | PrincipalRef::Federated(_)
                | PrincipalRef::CanonicalUser(_) => true,
            };
            if !known {
                return Ok(Err(document.unknown_principal(&principal)));
            }
        }
        let bindings: Bindings = principals.clone().into_iter().collect();
        let policy = Policy::compile(&document, &bindings);
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
        let document = Document::parse(&key.policy.text, PolicyKind::Key)
            .map_err(|error| KmsFault::Internal(Internal::new(error)))?;
        let bindings: Bindings = key.policy.principals.clone().into_iter().collect();
        let mut today = BTreeMap::new();
        for id in key.policy.principals.values() {
            if let Some(arn) = self.arn_of(id).await? {
                today.insert(id.clone(), arn);
            }
        }
        Ok(render::for_display(
            &document,
            &bindings,
            self.partition(),
            &|id: &UniqueId| today.get(id).cloned(),
        ))
    }

    async fn user_id_of(&self, arn: &str) -> Result<Option<UniqueId>, KmsFault> {
        let Some(parts) = ArnParts::parse(arn) else {
            return Ok(None);
        };
        let Ok(account) = AccountId::parse(parts.account) else {
            return Ok(None);
        };
        let Some(name) = parts.resource.rsplit('/').next() else {
            return Ok(None);
        };
        let user = self
            .directory()
            .user_by_name(self.partition(), account, name)
            .await?;
        // The ARN must be the user's own: names are unique without regard to case and path.
        Ok(user
            .filter(|user| user.principal().arn() == arn)
            .map(|user| user.record().id.clone()))
    }

    async fn arn_of(&self, id: &UniqueId) -> Result<Option<String>, KmsFault> {
        if id.kind() != Some(UniqueIdKind::User) {
            return Ok(None);
        }
        let user = self
            .directory()
            .user(self.partition(), self.account(), id)
            .await?;
        Ok(user.map(|user| user.principal().arn().to_owned()))
    }
}
