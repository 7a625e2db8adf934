//! Managed policies attached to users, groups and roles.
//!
//! An attachment is in both heads and in an index: in the identity's record, as a number in the
//! policy's, and as an entry under the policy that names the identity.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        aws_policies::AwsPolicy,
        purpose,
        records::{
            self, V1,
            identity::{ManagedPolicyRecord, ManagedPolicyRef, MembershipRecord},
        },
        units::identity::{GroupUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
    },
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::unique_id::UniqueId;
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam, condition_keys,
    entity::{Entity, EntityAction, EntityName, Lookup, Record, entity_actions},
    facets::Holder,
    fault::IamFault,
    names,
    nouns::check_policy_arn,
    on_one::{On, OnOne, Pair},
    page::{Page, Paging},
    paths, shape,
};

entity_actions! {
    UserUnit, names::USER => AttachUserPolicy = "iam:AttachUserPolicy", DetachUserPolicy = "iam:DetachUserPolicy", ListAttachedUserPolicies = "iam:ListAttachedUserPolicies",;
    GroupUnit, names::GROUP => AttachGroupPolicy = "iam:AttachGroupPolicy", DetachGroupPolicy = "iam:DetachGroupPolicy", ListAttachedGroupPolicies = "iam:ListAttachedGroupPolicies",;
    RoleUnit, names::ROLE => AttachRolePolicy = "iam:AttachRolePolicy", DetachRolePolicy = "iam:DetachRolePolicy", ListAttachedRolePolicies = "iam:ListAttachedRolePolicies",;
}

/// The policy that is to be attached or to be a boundary; `word` is AWS's word for it if it does
/// not exist.
///
/// # Errors
/// `InvalidInput`, `NoSuchEntity`, `PolicyNotAttachable`.
pub fn usable<'p>(
    policy: Option<&'p Arc<ManagedPolicyUnit>>,
    arn: &str,
    word: &str,
) -> Result<&'p Arc<ManagedPolicyUnit>, IamFault> {
    check_policy_arn(arn)?;
    let policy = policy.ok_or_else(|| {
        IamFault::missing(format!("{word} {arn} does not exist or is not attachable."))
    })?;
    if policy.aws_row().is_some_and(AwsPolicy::is_of_services) {
        return Err(IamFault::PolicyNotAttachable {
            message: "Cannot attach a Service Role Policy to a Customer Role.".to_owned(),
        });
    }
    Ok(policy)
}

/// Rewrites the numbers in a customer's policy; AWS's own have none.
///
/// # Errors
/// When the batch is full.
pub fn recount(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    policy: &ManagedPolicyUnit,
    change: impl FnOnce(&mut ManagedPolicyRecord),
) -> Result<(), IamFault> {
    let Some(mut record) = policy.record().cloned() else {
        return Ok(());
    };
    change(&mut record);
    record.put(cx, batch, policy.written())
}

/// Writes the index entry of an attachment.
///
/// # Errors
/// When the batch is full.
pub fn put_entry(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (policy, to): (&UniqueId, &UniqueId),
) -> Result<(), IamFault> {
    let path = paths::policy_attachment(cx.partition(), cx.account(), (policy, to));
    let entry = records::encode(&MembershipRecord { version: V1 })?;
    batch.put(path, purpose::MEMBERSHIP, &entry, Precondition::Absent)?;
    Ok(())
}

/// `iam:PermissionsBoundary` of an identity that has one.
pub fn supply_boundary<E: Entity>(of: &Lookup<E>, supply: &mut Supply) {
    if let Some(boundary) = of.found().and_then(|found| found.boundary()) {
        supply.text(condition_keys::PERMISSIONS_BOUNDARY, boundary);
    }
}

/// `AttachUserPolicy`, `AttachGroupPolicy`, `AttachRolePolicy`
#[derive(Debug)]
pub struct Attach<A>(Pair<A, ManagedPolicyUnit>);

impl<A> OnOne for Attach<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::NOUN.member), text("PolicyArn")];
    type Action = A;
    type Operand = Pair<A, ManagedPolicyUnit>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let on = EntityName::read(m);
        Self(Pair::new(on, names::policy_arn(m, "PolicyArn")))
    }

    fn operand(&self) -> &Self::Operand {
        &self.0
    }

    fn supply(&self, (on, _): &On<Self>, supply: &mut Supply) {
        supply.text(condition_keys::POLICY_ARN, &*self.0.with);
        supply_boundary(on, supply);
    }

    async fn answer(&self, (to, policy): &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let to = to.get()?;
        let mut record = to.edit(cx)?;
        let policy = usable(policy.found(), &self.0.with, "Policy")?;
        if record.attached().contains(&policy.reference()) {
            return Ok(Done::unchanged(Empty));
        }
        let most = cx.shared().quotas().policies_per_identity;
        if record.attached().len() >= most {
            type Of<A> = <<A as EntityAction>::Entity as Entity>::Record;
            return Err(IamFault::quota(Of::<A>::QUOTA, most));
        }
        record.attached_mut().push(policy.reference());
        let mut batch = cx.batch();
        put_entry(cx, &mut batch, (policy.id(), record.id()))?;
        recount(cx, &mut batch, policy, |policy| {
            policy.attachments = policy.attachments.saturating_add(1);
        })?;
        record.put(cx, &mut batch, to.written())?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `DetachUserPolicy`, `DetachGroupPolicy`, `DetachRolePolicy`
#[derive(Debug)]
pub struct Detach<A>(Pair<A, ManagedPolicyUnit>);

impl<A> OnOne for Detach<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::NOUN.member), text("PolicyArn")];
    type Action = A;
    type Operand = Pair<A, ManagedPolicyUnit>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let on = EntityName::read(m);
        Self(Pair::new(on, names::policy_arn(m, "PolicyArn")))
    }

    fn operand(&self) -> &Self::Operand {
        &self.0
    }

    fn supply(&self, (on, _): &On<Self>, supply: &mut Supply) {
        supply.text(condition_keys::POLICY_ARN, &*self.0.with);
        supply_boundary(on, supply);
    }

    async fn answer(
        &self,
        (from, policy): &On<Self>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let from = from.get()?;
        let mut record = from.edit(cx)?;
        let arn = &self.0.with;
        check_policy_arn(arn)?;
        let missing = || IamFault::missing(format!("Policy {arn} was not found."));
        let policy = policy.found().ok_or_else(missing)?;
        let reference = policy.reference();
        let before = record.attached().len();
        record
            .attached_mut()
            .retain(|attached| *attached != reference);
        if record.attached().len() == before {
            return Err(missing());
        }
        let mut batch = cx.batch();
        let pair = (policy.id(), record.id());
        let entry = paths::policy_attachment(cx.partition(), cx.account(), pair);
        batch.delete(entry, Precondition::Any)?;
        recount(cx, &mut batch, policy, |policy| {
            policy.attachments = policy.attachments.saturating_sub(1);
        })?;
        record.put(cx, &mut batch, from.written())?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `ListAttachedUserPolicies`, `ListAttachedGroupPolicies`, `ListAttachedRolePolicies`
#[derive(Debug)]
pub struct ListAttached<A> {
    of: EntityName<A>,
    path_prefix: String,
    paging: Paging,
}

/// A page of attached policies.
#[derive(Debug)]
pub struct AttachedPolicies(Page<ManagedPolicyRef>);

impl<A> OnOne for ListAttached<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text(A::Entity::NOUN.member),
        text("PathPrefix"),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Action = A;
    type Operand = EntityName<A>;
    type Output = AttachedPolicies;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let path_prefix = names::policy_path_prefix(m);
        let paging = Paging::read(m);
        Self {
            of,
            path_prefix,
            paging,
        }
    }

    fn operand(&self) -> &EntityName<A> {
        &self.of
    }

    async fn answer(&self, of: &On<Self>, cx: &Cx<'_>) -> Result<Done<AttachedPolicies>, IamFault> {
        let (filter, prefix) = (
            format!("{}{}", self.of.name, self.path_prefix),
            &self.path_prefix,
        );
        let attached = of.get()?.stored()?.attached().iter();
        let within = attached.filter(|policy| shape::path_of(&policy.arn).starts_with(prefix));
        let page = self.paging.cut(
            cx,
            (Self::NAME, &filter),
            within.cloned().collect(),
            |policy| shape::name_of(&policy.arn).to_owned(),
        )?;
        Ok(Done::unchanged(AttachedPolicies(page)))
    }
}

impl Output<Iam> for AttachedPolicies {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0
            .render(out, "AttachedPolicies", shape::attached_policy);
    }
}
