//! What policies are attached to.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_AttachPolicy.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::units::organization::OrganizationUnit,
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_types::organization::{ControlPolicyId, ControlPolicyType, PolicyTarget};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::OrganizationChange,
    condition_keys::POLICY_TYPE,
    fault::{Because, NON_DETACHABLE, OrganizationsFault},
    list_policies::{PoliciesListed, policy_id},
    managed::Ask,
    members::{self, PolicyType},
    page::{Paged, Pagination},
    standing::{Thing, arn_of},
};

/// The most policies of a type on a target, AWS's own included.
fn most(kind: ControlPolicyType) -> usize {
    match kind {
        ControlPolicyType::Service => 10,
        ControlPolicyType::Resource => 5,
    }
}

/// A policy with what else is attached to a target.
fn found(
    organization: &OrganizationUnit,
    (policy, target): (&ControlPolicyId, &PolicyTarget),
) -> Result<(ControlPolicyType, Vec<ControlPolicyId>), OrganizationsFault> {
    let policy = organization.policy(policy);
    let kind = policy
        .ok_or(OrganizationsFault::PolicyNotFound)?
        .record()
        .kind;
    if !organization.has(target) {
        return Err(OrganizationsFault::TargetNotFound);
    }
    let attached = organization.attached(kind, target);
    let attached = attached.ok_or(OrganizationsFault::PolicyTypeNotEnabled)?;
    let ids = attached.iter().map(|policy| policy.record().id.clone());
    Ok((kind, ids.collect()))
}

/// A change after which a target has these policies of a type.
fn attach(
    organization: &OrganizationUnit,
    (kind, target): (ControlPolicyType, &PolicyTarget),
    ids: Vec<ControlPolicyId>,
    cx: &Cx<'_>,
) -> Result<Done<Empty>, OrganizationsFault> {
    let mut record = organization.record().clone();
    if let Some(attachments) = record.attachments_mut(kind) {
        attachments.insert(target.clone(), ids);
    }
    let change = OrganizationChange::with_head(organization, &record, cx)?;
    Ok(Done::changed(Empty, change.into_batch()))
}

/// `AttachPolicy`
#[derive(Debug)]
pub struct AttachPolicy {
    policy: ControlPolicyId,
    target: PolicyTarget,
}

keyward_types::action!("organizations": AttachPolicy = "organizations:AttachPolicy");

impl Ask for AttachPolicy {
    const NAME: &'static str = "AttachPolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyId"), text("TargetId")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let policy = members::policy(m, "PolicyId");
        let target = members::target(m, "TargetId");
        Some(Self {
            policy: policy?,
            target: target?,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![
            Thing::Policy(self.policy.clone()),
            Thing::PolicyTarget(self.target.clone()),
        ]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let (kind, mut ids) = found(organization, (&self.policy, &self.target))?;
        if ids.contains(&self.policy) {
            return Err(OrganizationsFault::DuplicatePolicyAttachment);
        }
        if ids.len() >= most(kind) {
            return Err(OrganizationsFault::Constraint(Because(
                "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                "You have attached the maximum number of policies to the specified target.",
            )));
        }
        ids.push(self.policy.clone());
        attach(organization, (kind, &self.target), ids, cx)
    }
}

/// `DetachPolicy`
#[derive(Debug)]
pub struct DetachPolicy {
    policy: ControlPolicyId,
    target: PolicyTarget,
}

keyward_types::action!("organizations": DetachPolicy = "organizations:DetachPolicy");

impl Ask for DetachPolicy {
    const NAME: &'static str = "DetachPolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyId"), text("TargetId")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let policy = members::policy(m, "PolicyId");
        let target = members::target(m, "TargetId");
        Some(Self {
            policy: policy?,
            target: target?,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![
            Thing::Policy(self.policy.clone()),
            Thing::PolicyTarget(self.target.clone()),
        ]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let (kind, mut ids) = found(organization, (&self.policy, &self.target))?;
        if !ids.contains(&self.policy) {
            return Err(OrganizationsFault::PolicyNotAttached);
        }
        match kind {
            ControlPolicyType::Resource => {
                let policy = organization.policy(&self.policy);
                if policy.is_some_and(|policy| policy.is_aws_managed()) {
                    return Err(OrganizationsFault::invalid(NON_DETACHABLE));
                }
            }
            ControlPolicyType::Service if ids.len() == 1 => {
                return Err(OrganizationsFault::Constraint(Because(
                    "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                    "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.",
                )));
            }
            ControlPolicyType::Service => {}
        }
        ids.retain(|id| *id != self.policy);
        attach(organization, (kind, &self.target), ids, cx)
    }
}

/// `ListPoliciesForTarget`
#[derive(Debug)]
pub struct ListPoliciesForTarget {
    target: PolicyTarget,
    kind: PolicyType,
    page: Pagination,
}

keyward_types::action!("organizations": ListPoliciesForTarget = "organizations:ListPoliciesForTarget");

impl Ask for ListPoliciesForTarget {
    const NAME: &'static str = "ListPoliciesForTarget";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("TargetId"),
        text("Filter"),
        text("NextToken"),
        integer("MaxResults"),
    ];
    type Action = Self;
    type Output = PoliciesListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let target = members::target(m, "TargetId");
        let kind = members::policy_type(m, "Filter");
        let page = Pagination::read(m);
        Some(Self {
            target: target?,
            kind,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(self.target.clone())]
    }

    fn supply(&self, supply: &mut Supply) {
        supply.one(POLICY_TYPE, self.kind.0);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<PoliciesListed>, OrganizationsFault> {
        if !organization.has(&self.target) {
            return Err(OrganizationsFault::TargetNotFound);
        }
        let kind = self.kind.served();
        let attached = kind.and_then(|kind| organization.attached(kind, &self.target));
        let mut attached = attached.unwrap_or_default();
        attached.sort_by(|a, b| a.record().id.cmp(&b.record().id));
        let filter = format!("{} {}", self.kind.0, self.target.as_str());
        let asked = (Self::NAME, filter.as_str());
        let page = self.page.cut(cx, asked, attached, policy_id)?;
        Ok(Done::unchanged(PoliciesListed(page)))
    }
}

/// `ListTargetsForPolicy`
#[derive(Debug)]
pub struct ListTargetsForPolicy {
    policy: ControlPolicyId,
    page: Pagination,
}

/// The output of ListTargetsForPolicy.
#[derive(Debug)]
pub struct TargetsListed {
    organization: Arc<OrganizationUnit>,
    page: Paged<PolicyTarget>,
}

keyward_types::action!("organizations": ListTargetsForPolicy = "organizations:ListTargetsForPolicy");

impl Ask for ListTargetsForPolicy {
    const NAME: &'static str = "ListTargetsForPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PolicyId"), text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = TargetsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let policy = members::policy(m, "PolicyId");
        let page = Pagination::read(m);
        Some(Self {
            policy: policy?,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Policy(self.policy.clone())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<TargetsListed>, OrganizationsFault> {
        let policy = organization.policy(&self.policy);
        let kind = policy
            .ok_or(OrganizationsFault::PolicyNotFound)?
            .record()
            .kind;
        let has = |target: &PolicyTarget| {
            let attached = organization.attached(kind, target).unwrap_or_default();
            attached
                .iter()
                .any(|policy| policy.record().id == self.policy)
        };
        let mut targets: Vec<PolicyTarget> = organization.targets().filter(has).collect();
        targets.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        let asked = (Self::NAME, self.policy.as_str());
        let page = self.page.cut(cx, asked, targets, PolicyTarget::as_str)?;
        Ok(Done::unchanged(TargetsListed {
            organization: Arc::clone(organization),
            page,
        }))
    }
}

impl Output<Organizations> for TargetsListed {
    fn render(&self, out: &mut Writer<'_>) {
        let organization = &self.organization;
        self.page.render(out, "Targets", |target, entry| {
            let name = match target {
                PolicyTarget::Root(_) => Some("Root"),
                PolicyTarget::Unit(unit) => {
                    let unit = organization.units().get(unit);
                    unit.map(|unit| unit.name.as_str())
                }
                PolicyTarget::Account(account) => {
                    let member = organization.accounts().get(account);
                    member.map(|member| member.record().name.as_str())
                }
            };
            entry.string("TargetId", target.as_str());
            entry.string(
                "Arn",
                &arn_of(organization, &Thing::PolicyTarget(target.clone())),
            );
            entry.string("Name", name.unwrap_or_default());
            entry.string("Type", target.kind());
        });
    }
}
