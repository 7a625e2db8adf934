//! What IAM keeps beside users of what callers are made of: roles, groups, managed policies and identity
//! providers.

use std::collections::BTreeMap;

use keyward_policy::record::PolicyRecord;
use keyward_types::{
    account::AccountId, partition::Partition, region::Region, tag::Tag, time::Timestamp,
    unique_id::UniqueId,
};
use serde::{Deserialize, Serialize};

use super::V1;

/// Where a name leads; names are unique in their kind and account without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameRecord {
    /// The record's version.
    pub version: V1,
    /// The unique id of what has that name.
    pub id: UniqueId,
    /// The name as it is written.
    pub name: String,
}

/// Where a user or role is, by its unique id only: stored policies show the id of a deleted one,
/// and may name it by that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalIdRecord {
    /// The record's version.
    pub version: V1,
    /// Its partition.
    pub partition: Partition,
    /// Its account.
    pub account: AccountId,
}

/// A managed policy that is attached somewhere or is a boundary. The id tells it from one created
/// again under its ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedPolicyRef {
    /// Its ARN.
    pub arn: String,
    /// `ANPA…`.
    pub id: UniqueId,
}

/// A role with all that decides for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRecord {
    /// The record's version.
    pub version: V1,
    /// `AROA…`.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its path, `/` at both ends.
    pub path: String,
    /// Its description, if it was given one.
    pub description: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// The longest session, in seconds, 3,600 to 43,200.
    pub max_session_seconds: u32,
    /// Who may assume it.
    pub trust: PolicyRecord,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
    /// Its inline policies by name: the text as it was put.
    pub inline_policies: BTreeMap<String, String>,
    /// Its managed policies, in the order they were attached.
    pub attached_policies: Vec<ManagedPolicyRef>,
    /// Its permissions boundary.
    pub boundary: Option<ManagedPolicyRef>,
    /// The service it is linked to, such as `mrk.kms.amazonaws.com`; only that one changes it.
    pub linked_service: Option<String>,
}

/// A group with the policies that its members have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRecord {
    /// The record's version.
    pub version: V1,
    /// `AGPA…`.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its path, `/` at both ends.
    pub path: String,
    /// When it was created.
    pub created: Timestamp,
    /// Its inline policies by name: the text as it was put.
    pub inline_policies: BTreeMap<String, String>,
    /// Its managed policies, in the order they were attached.
    pub attached_policies: Vec<ManagedPolicyRef>,
    /// How many users are in it; who they are is in an index.
    pub members: u32,
}

/// A customer managed policy with its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedPolicyRecord {
    /// The record's version.
    pub version: V1,
    /// `ANPA…`.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its path, `/` at both ends.
    pub path: String,
    /// Its description, if it was given one; it never changes.
    pub description: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When a version was last made, deleted or made the default.
    pub updated: Timestamp,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
    /// Its versions, oldest first, at most five.
    pub versions: Vec<PolicyVersionRecord>,
    /// The number of the version that decides.
    pub default_version: u32,
    /// The highest number that a version ever had; numbers are never used again.
    pub last_version: u32,
    /// How many users, groups and roles it is attached to; which they are is in an index.
    pub attachments: u32,
    /// How many users and roles it is the boundary of.
    pub boundaries: u32,
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersionRecord {
    /// Its number, from 1: `v1`.
    pub number: u32,
    /// The document as it was put.
    pub text: String,
    /// When.
    pub created: Timestamp,
}

/// An OpenID Connect identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProviderRecord {
    /// The record's version.
    pub version: V1,
    /// The issuer without `https://`, as it is in the ARN.
    pub host_and_path: String,
    /// The audiences it may name.
    pub client_ids: Vec<String>,
    /// The thumbprints of its certificate authority, as they were given.
    pub thumbprints: Vec<String>,
    /// When it was created.
    pub created: Timestamp,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
}

/// That one thing belongs to another; the path says which. IAM writes them, and Organizations for the role in a new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipRecord {
    /// The record's version.
    pub version: V1,
}

/// The last use of an access key or of a role, which the engine notes; it decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialUseRecord {
    /// The record's version.
    pub version: V1,
    /// When.
    pub at: Timestamp,
    /// The service that was asked, such as `kms`.
    pub service: String,
    /// The Region of the request.
    pub region: Region,
}

impl RoleRecord {
    /// Its ARN.
    pub fn arn(&self, partition: Partition, account: AccountId) -> String {
        format!(
            "arn:{partition}:iam::{account}:role{}{}",
            self.path, self.name
        )
    }
}

impl GroupRecord {
    /// Its ARN.
    pub fn arn(&self, partition: Partition, account: AccountId) -> String {
        format!(
            "arn:{partition}:iam::{account}:group{}{}",
            self.path, self.name
        )
    }
}

impl ManagedPolicyRecord {
    /// Its ARN.
    pub fn arn(&self, partition: Partition, account: AccountId) -> String {
        format!(
            "arn:{partition}:iam::{account}:policy{}{}",
            self.path, self.name
        )
    }

    /// The version that decides.
    pub fn default_text(&self) -> Option<&str> {
        let default = self
            .versions
            .iter()
            .find(|version| version.number == self.default_version)?;
        Some(&default.text)
    }
}

impl OidcProviderRecord {
    /// Its ARN.
    pub fn arn(&self, partition: Partition, account: AccountId) -> String {
        format!(
            "arn:{partition}:iam::{account}:oidc-provider/{}",
            self.host_and_path
        )
    }
}
