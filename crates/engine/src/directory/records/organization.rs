//! What is stored about an organization: itself, its tree and its policies.

use std::collections::BTreeMap;

use keyward_types::{
    account::AccountId,
    organization::{
        ControlPolicyId, ControlPolicyType, OrganizationId, OrganizationalUnitId, Parent,
        PolicyTarget, RootId,
    },
    partition::Partition,
    tag::Tag,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::V1;

/// That an account is in an organization; it stands with the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipRecord {
    /// The record's version.
    pub version: V1,
    /// The organization that it is in, if it is in one.
    pub organization: Option<InOrganization>,
}

/// Which organization an account is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InOrganization {
    /// The organization.
    pub id: OrganizationId,
    /// Its management account, where the organization stands.
    pub management: AccountId,
}

/// An organization: the head of its unit, which every change of the unit rewrites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationRecord {
    /// The record's version.
    pub version: V1,
    /// `o-…`.
    pub id: OrganizationId,
    /// The account that manages it.
    pub management: AccountId,
    /// When it was created.
    pub created: Timestamp,
    /// `r-…`.
    pub root: RootId,
    /// The root's tags, in the order given.
    pub root_tags: Vec<Tag>,
    /// The service control policies, if their type is enabled.
    pub service_control: Option<Attachments>,
    /// The resource control policies, if their type is enabled.
    pub resource_control: Option<Attachments>,
    /// The services that may act in all accounts of the organization, each since when.
    pub service_access: BTreeMap<String, Timestamp>,
}

/// The policies of one type on each target, in the order they were attached. A target that is
/// not named has the one policy that AWS attaches to all.
pub type Attachments = BTreeMap<PolicyTarget, Vec<ControlPolicyId>>;

impl OrganizationRecord {
    /// The attachments of a type, if it is enabled.
    pub fn attachments(&self, kind: ControlPolicyType) -> Option<&Attachments> {
        match kind {
            ControlPolicyType::Service => self.service_control.as_ref(),
            ControlPolicyType::Resource => self.resource_control.as_ref(),
        }
    }

    /// The attachments of a type, to change.
    pub fn attachments_mut(&mut self, kind: ControlPolicyType) -> &mut Option<Attachments> {
        match kind {
            ControlPolicyType::Service => &mut self.service_control,
            ControlPolicyType::Resource => &mut self.resource_control,
        }
    }

    /// Its ARN.
    pub fn arn(&self, partition: Partition) -> String {
        let Self { id, management, .. } = self;
        format!("arn:{partition}:organizations::{management}:organization/{id}")
    }

    /// The ARN of something in it: `kind` is the word of its kind.
    pub fn arn_of(&self, partition: Partition, kind: &str, thing: &str) -> String {
        let Self { id, management, .. } = self;
        format!("arn:{partition}:organizations::{management}:{kind}/{id}/{thing}")
    }
}

/// An organizational unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationalUnitRecord {
    /// The record's version.
    pub version: V1,
    /// `ou-…`.
    pub id: OrganizationalUnitId,
    /// Its name, unique below its parent.
    pub name: String,
    /// What it is below.
    pub parent: Parent,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
}

/// An account in its organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRecord {
    /// The record's version.
    pub version: V1,
    /// The account.
    pub account: AccountId,
    /// Its name, perhaps empty.
    pub name: String,
    /// Its address; an account that was created offline need not have one.
    pub email: Option<String>,
    /// What it is below.
    pub parent: Parent,
    /// Whether the organization made it; the management account was there before.
    pub created_here: bool,
    /// Since when it is in.
    pub joined: Timestamp,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
}

/// A service or resource control policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPolicyRecord {
    /// The record's version.
    pub version: V1,
    /// `p-…`.
    pub id: ControlPolicyId,
    /// What it limits.
    pub kind: ControlPolicyType,
    /// Its name, unique in its type.
    pub name: String,
    /// Its description, perhaps empty.
    pub description: String,
    /// The document as it was put.
    pub text: String,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
}

/// Whose an address is: no two accounts have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailRecord {
    /// The record's version.
    pub version: V1,
    /// The account.
    pub account: AccountId,
}
