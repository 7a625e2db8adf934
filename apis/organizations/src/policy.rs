//! Service and resource control policies.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreatePolicy.html>

use std::sync::Arc;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    directory::{
        organizations::policy_arn,
        records::{V1, organization::ControlPolicyRecord},
        units::organization::{ControlPolicy, OrganizationUnit, full_access},
    },
    gate::supply::Supply,
    operation::{Done, Empty, Output},
    policy::document::{Document, PolicyKind},
};
use keyward_types::{
    organization::{ControlPolicyId, ControlPolicyType},
    tag::Tag,
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::{OrganizationChange, check_room},
    condition_keys::POLICY_TYPE,
    fault::{Because, IMMUTABLE, OrganizationsFault},
    managed::Ask,
    members::{self, PolicyType},
    render,
    standing::Thing,
};

/// A policy as it was put, as the answers of its operations show it.
#[derive(Debug)]
pub struct PolicyPut {
    arn: String,
    record: ControlPolicyRecord,
}

impl PolicyPut {
    fn of(organization: &OrganizationUnit, record: ControlPolicyRecord) -> Self {
        let arn = policy_arn(organization.partition(), organization.record(), &record);
        Self { arn, record }
    }
}

impl Output<Organizations> for PolicyPut {
    fn render(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        out.object("Policy", |policy| {
            policy.object("PolicySummary", |summary| {
                summary.string("Id", record.id.as_str());
                summary.string("Arn", &self.arn);
                summary.string("Name", &record.name);
                summary.string("Description", &record.description);
                summary.string("Type", record.kind.as_str());
                summary.boolean("AwsManaged", false);
            });
            policy.string("Content", &record.text);
        });
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("policy", |policy| {
            policy.object("policySummary", |summary| {
                summary.string("id", self.record.id.as_str());
                summary.string("arn", &self.arn);
                summary.string("name", &self.record.name);
                summary.string("type", self.record.kind.as_str());
            });
        });
    }
}

/// Reads a text as a policy of its type.
fn check_text(text: &str, kind: ControlPolicyType) -> Result<(), OrganizationsFault> {
    let parsed = match kind {
        ControlPolicyType::Service => Document::parse(text, PolicyKind::Scp),
        ControlPolicyType::Resource => Document::parse(text, PolicyKind::Rcp),
    };
    let wrong = |error| OrganizationsFault::of_policy(&error, kind);
    parsed.map(|_| ()).map_err(wrong)
}

/// Refuses a name that another policy of the type has.
fn check_name(
    organization: &OrganizationUnit,
    kind: ControlPolicyType,
    (name, but): (&str, Option<&ControlPolicyId>),
) -> Result<(), OrganizationsFault> {
    let own = organization.policies().values().cloned();
    let mut all = own.chain(full_access(organization.partition(), kind));
    let taken = all.any(|policy| {
        let record = policy.record();
        record.kind == kind && record.name == name && but.is_none_or(|but| record.id != *but)
    });
    if taken {
        Err(OrganizationsFault::DuplicatePolicy)
    } else {
        Ok(())
    }
}

/// A policy that may be changed.
fn own<'o>(
    organization: &'o OrganizationUnit,
    id: &ControlPolicyId,
) -> Result<&'o ControlPolicyRecord, OrganizationsFault> {
    match organization.policies().get(id) {
        Some(policy) => Ok(policy.record()),
        None if organization.policy(id).is_some() => Err(OrganizationsFault::invalid(IMMUTABLE)),
        None => Err(OrganizationsFault::PolicyNotFound),
    }
}

/// `CreatePolicy`
#[derive(Debug)]
pub struct CreatePolicy {
    text: String,
    description: String,
    name: String,
    kind: PolicyType,
    tags: Vec<Tag>,
}

keyward_types::action!("organizations": CreatePolicy = "organizations:CreatePolicy");

impl Ask for CreatePolicy {
    const NAME: &'static str = "CreatePolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("Content"),
        text("Description"),
        text("Name"),
        text("Type"),
        structures("Tags", members::SHOWN_TAG),
    ];
    type Action = Self;
    type Output = PolicyPut;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let text = m.string("Content").length(1, 1_000_000).required();
        let text = text.to_owned();
        let description = m.string("Description").length(0, 512).required();
        let description = description.to_owned();
        let name = m.string("Name").length(1, 128).required().to_owned();
        let kind = members::policy_type(m, "Type");
        let tags = members::tags(m);
        Some(Self {
            text,
            description,
            name,
            kind,
            tags,
        })
    }

    fn check(&self) -> Result<(), OrganizationsFault> {
        members::check_tags(&self.tags)
    }

    fn created_with(&self) -> &[Tag] {
        &self.tags
    }

    fn supply(&self, supply: &mut Supply) {
        supply.one(POLICY_TYPE, self.kind.0);
        supply.request_tags(&self.tags);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<PolicyPut>, OrganizationsFault> {
        let kind = self.kind.available()?;
        check_text(&self.text, kind)?;
        check_name(organization, kind, (&self.name, None))?;
        let full = Because(
            "POLICY_NUMBER_LIMIT_EXCEEDED",
            "You have exceeded the number of policies that you can have in an organization.",
        );
        check_room(organization, full)?;
        let record = ControlPolicyRecord {
            version: V1,
            id: ControlPolicyId::from_random(random::array()),
            kind,
            name: self.name.clone(),
            description: self.description.clone(),
            text: self.text.clone(),
            tags: self.tags.clone(),
        };
        let mut change = OrganizationChange::of(organization, cx)?;
        change.put_policy(&record)?;
        let output = PolicyPut::of(organization, record);
        Ok(Done::changed(output, change.into_batch()))
    }
}

/// `UpdatePolicy`
#[derive(Debug)]
pub struct UpdatePolicy {
    policy: ControlPolicyId,
    name: Option<String>,
    description: Option<String>,
    text: Option<String>,
}

keyward_types::action!("organizations": UpdatePolicy = "organizations:UpdatePolicy");

impl Ask for UpdatePolicy {
    const NAME: &'static str = "UpdatePolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("PolicyId"),
        text("Name"),
        text("Description"),
        text("Content"),
    ];
    type Action = Self;
    type Output = PolicyPut;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let policy = members::policy(m, "PolicyId");
        let name = m.string("Name").length(1, 128).optional();
        let name = name.map(str::to_owned);
        let description = m.string("Description").length(0, 512).optional();
        let description = description.map(str::to_owned);
        let text = m.string("Content").length(1, 1_000_000).optional();
        let text = text.map(str::to_owned);
        Some(Self {
            policy: policy?,
            name,
            description,
            text,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Policy(self.policy.clone())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<PolicyPut>, OrganizationsFault> {
        let mut record = own(organization, &self.policy)?.clone();
        if let Some(text) = &self.text {
            check_text(text, record.kind)?;
            record.text.clone_from(text);
        }
        if let Some(name) = &self.name {
            check_name(organization, record.kind, (name, Some(&record.id)))?;
            record.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            record.description.clone_from(description);
        }
        let mut change = OrganizationChange::of(organization, cx)?;
        change.put_policy(&record)?;
        let output = PolicyPut::of(organization, record);
        Ok(Done::changed(output, change.into_batch()))
    }
}

/// `DescribePolicy`
#[derive(Debug)]
pub struct DescribePolicy {
    policy: ControlPolicyId,
}

/// The output of DescribePolicy.
#[derive(Debug)]
pub struct PolicyDescribed(Arc<ControlPolicy>);

keyward_types::action!("organizations": DescribePolicy = "organizations:DescribePolicy");

impl Ask for DescribePolicy {
    const NAME: &'static str = "DescribePolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyId")];
    type Action = Self;
    type Output = PolicyDescribed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let policy = members::policy(m, "PolicyId");
        Some(Self { policy: policy? })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Policy(self.policy.clone())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        _cx: &Cx<'_>,
    ) -> Result<Done<PolicyDescribed>, OrganizationsFault> {
        let policy = organization.policy(&self.policy);
        let policy = policy.ok_or(OrganizationsFault::PolicyNotFound)?;
        Ok(Done::unchanged(PolicyDescribed(policy)))
    }
}

impl Output<Organizations> for PolicyDescribed {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("Policy", |policy| render::policy(&self.0, policy));
    }
}

/// `DeletePolicy`
#[derive(Debug)]
pub struct DeletePolicy {
    policy: ControlPolicyId,
}

keyward_types::action!("organizations": DeletePolicy = "organizations:DeletePolicy");

impl Ask for DeletePolicy {
    const NAME: &'static str = "DeletePolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyId")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let policy = members::policy(m, "PolicyId");
        Some(Self { policy: policy? })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Policy(self.policy.clone())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let policy = own(organization, &self.policy)?;
        let attachments = organization.record().attachments(policy.kind);
        let mut attached = attachments.into_iter().flatten();
        if attached.any(|(_, ids)| ids.contains(&self.policy)) {
            return Err(OrganizationsFault::PolicyInUse);
        }
        let mut change = OrganizationChange::of(organization, cx)?;
        change.delete("policy", self.policy.as_str())?;
        Ok(Done::changed(Empty, change.into_batch()))
    }
}
