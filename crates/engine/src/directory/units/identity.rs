//! The units of IAM: identities with their compiled policies, and what is attached to them.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use keyward_policy::policy::Policy;
use keyward_store::{revision::Revision, sealed::Generation};
use keyward_types::{
    account::AccountId, partition::Partition, principal::Principal, unique_id::UniqueId,
};
use keyward_wire::json::Fragment;

use crate::directory::{
    aws_policies::AwsPolicy,
    records::{
        UserRecord,
        identity::{
            GroupRecord, ManagedPolicyRecord, ManagedPolicyRef, OidcProviderRecord, RoleRecord,
        },
    },
};

/// When and as what a record was last written.
pub type WrittenAt = (Generation, Revision);

macro_rules! written {
    ($($unit:ty),*) => {$(
        impl $unit {
            /// The generation of the record.
            pub fn generation(&self) -> Generation {
                self.written.0
            }

            /// The revision at which the record was last written.
            pub fn revision(&self) -> Revision {
                self.written.1
            }
        }
    )*};
}
written!(UserUnit, RoleUnit, GroupUnit, OidcProviderUnit);

/// A user with its compiled policies.
#[derive(Debug)]
pub struct UserUnit {
    principal: Arc<Principal>,
    record: UserRecord,
    policies: Vec<(String, Policy)>,
    in_events: [Fragment; 2],
    written: WrittenAt,
    counts: bool,
}

impl UserUnit {
    /// The unit of a user whose policies were compiled.
    pub(crate) fn new(
        principal: Principal,
        record: UserRecord,
        policies: BTreeMap<String, Policy>,
        written: WrittenAt,
    ) -> Self {
        let in_events = [
            Fragment::of(|identity| {
                identity.string("type", "IAMUser");
                identity.string("principalId", record.id.as_str());
                identity.string("arn", principal.arn());
                identity.string("accountId", principal.account_text());
            }),
            Fragment::of(|identity| identity.string("userName", &record.name)),
        ];
        Self {
            principal: Arc::new(principal),
            record,
            policies: policies.into_iter().collect(),
            in_events,
            written,
            counts: true,
        }
    }

    /// The same, with whether its name and its unique id lead to it.
    pub(crate) fn counting(self, counts: bool) -> Self {
        Self { counts, ..self }
    }

    /// Whether its name and its unique id lead to it: only then it is one.
    pub(crate) fn counts(&self) -> bool {
        self.counts
    }

    /// What `userIdentity` in events of the user's says before the access key's id, and after it.
    pub fn in_events(&self) -> &[Fragment; 2] {
        &self.in_events
    }

    /// The identity.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The record.
    pub fn record(&self) -> &UserRecord {
        &self.record
    }

    /// Inline policies by name.
    pub fn policies(&self) -> &[(String, Policy)] {
        &self.policies
    }
}

/// A role with its compiled policies.
#[derive(Debug)]
pub struct RoleUnit {
    arn: String,
    account: AccountId,
    partition: Partition,
    record: RoleRecord,
    trust: Policy,
    policies: Vec<(String, Policy)>,
    written: WrittenAt,
    counts: bool,
}

impl RoleUnit {
    /// The unit of a role whose policies were compiled.
    pub(crate) fn new(
        (partition, account): (Partition, AccountId),
        record: RoleRecord,
        trust: Policy,
        policies: BTreeMap<String, Policy>,
        written: WrittenAt,
    ) -> Self {
        Self {
            arn: record.arn(partition, account),
            account,
            partition,
            record,
            trust,
            policies: policies.into_iter().collect(),
            written,
            counts: true,
        }
    }

    /// The same, with whether its name and its unique id lead to it.
    pub(crate) fn counting(self, counts: bool) -> Self {
        Self { counts, ..self }
    }

    /// Whether its name and its unique id lead to it: only then it is one.
    pub(crate) fn counts(&self) -> bool {
        self.counts
    }

    /// The role's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Its partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The record.
    pub fn record(&self) -> &RoleRecord {
        &self.record
    }

    /// Who may assume it.
    pub fn trust(&self) -> &Policy {
        &self.trust
    }

    /// Inline policies by name.
    pub fn policies(&self) -> &[(String, Policy)] {
        &self.policies
    }

    /// A session of it, as an identity.
    pub fn session(&self, name: &str) -> Principal {
        let record = &self.record;
        let role = (
            record.path.as_str(),
            record.name.as_str(),
            record.id.clone(),
        );
        let session = Principal::role_session(self.partition, self.account, role, name);
        // Only the record decides this: a customer may give a role nearly any path.
        match record.linked_service {
            Some(_) => session.of_service_linked_role(),
            None => session,
        }
    }
}

/// A group with its compiled policies.
#[derive(Debug)]
pub struct GroupUnit {
    arn: String,
    record: GroupRecord,
    policies: Vec<(String, Policy)>,
    written: WrittenAt,
}

impl GroupUnit {
    /// The unit of a group whose policies were compiled.
    pub(crate) fn new(
        (partition, account): (Partition, AccountId),
        record: GroupRecord,
        policies: BTreeMap<String, Policy>,
        written: WrittenAt,
    ) -> Self {
        Self {
            arn: record.arn(partition, account),
            record,
            policies: policies.into_iter().collect(),
            written,
        }
    }

    /// The group's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The record.
    pub fn record(&self) -> &GroupRecord {
        &self.record
    }

    /// Inline policies by name.
    pub fn policies(&self) -> &[(String, Policy)] {
        &self.policies
    }
}

/// A managed policy, the version that decides compiled: a customer's, or one of AWS's own.
#[derive(Debug)]
pub struct ManagedPolicyUnit {
    arn: String,
    policy: Policy,
    origin: Origin,
}

/// Where a managed policy comes from.
#[derive(Debug)]
enum Origin {
    Customer(Box<(ManagedPolicyRecord, WrittenAt)>),
    /// The row of the table, and the document as it is in the partition.
    Aws(&'static AwsPolicy, Cow<'static, str>),
}

impl ManagedPolicyUnit {
    /// A customer's policy.
    pub(crate) fn customer(
        arn: String,
        policy: Policy,
        record: ManagedPolicyRecord,
        written: WrittenAt,
    ) -> Self {
        let origin = Origin::Customer(Box::new((record, written)));
        Self {
            arn,
            policy,
            origin,
        }
    }

    /// One of AWS's own, which every account has and nobody changes.
    pub(crate) fn aws(
        arn: String,
        policy: Policy,
        (row, document): (&'static AwsPolicy, Cow<'static, str>),
    ) -> Self {
        let origin = Origin::Aws(row, document);
        Self {
            arn,
            policy,
            origin,
        }
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its unique id.
    pub fn id(&self) -> &UniqueId {
        match &self.origin {
            Origin::Customer(customer) => &customer.0.id,
            Origin::Aws(row, _) => &row.id,
        }
    }

    /// As it is named where it is attached.
    pub fn reference(&self) -> ManagedPolicyRef {
        ManagedPolicyRef {
            arn: self.arn.clone(),
            id: self.id().clone(),
        }
    }

    /// The version that decides.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The document of the version that decides.
    pub fn default_text(&self) -> Option<&str> {
        match &self.origin {
            Origin::Customer(customer) => customer.0.default_text(),
            Origin::Aws(_, document) => Some(document),
        }
    }

    /// A customer's record; `None` for one of AWS's own.
    pub fn record(&self) -> Option<&ManagedPolicyRecord> {
        self.customers().map(|(record, _)| record)
    }

    /// The table's row of one of AWS's own.
    pub fn aws_row(&self) -> Option<&'static AwsPolicy> {
        match &self.origin {
            Origin::Customer(_) => None,
            Origin::Aws(row, _) => Some(row),
        }
    }

    /// The generation of a customer's record.
    pub fn generation(&self) -> Option<Generation> {
        self.customers().map(|(_, written)| written.0)
    }

    /// The revision at which a customer's record was last written.
    pub fn revision(&self) -> Option<Revision> {
        self.customers().map(|(_, written)| written.1)
    }

    fn customers(&self) -> Option<&(ManagedPolicyRecord, WrittenAt)> {
        match &self.origin {
            Origin::Customer(customer) => Some(customer),
            Origin::Aws(..) => None,
        }
    }
}

/// An identity provider.
#[derive(Debug)]
pub struct OidcProviderUnit {
    record: OidcProviderRecord,
    written: WrittenAt,
}

impl OidcProviderUnit {
    pub(crate) fn new(record: OidcProviderRecord, written: WrittenAt) -> Self {
        Self { record, written }
    }

    /// The record.
    pub fn record(&self) -> &OidcProviderRecord {
        &self.record
    }
}
