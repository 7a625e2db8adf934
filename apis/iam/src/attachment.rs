//! Managed policies attached to users, groups and roles.
//!
//! An attachment stands in both heads and in an index: in the identity's record, as a number in
//! the policy's, and as an entry under the policy that names the identity.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        aws_policies::AwsPolicy,
        paths, purpose,
        records::{
            self, V1,
            identity::{ManagedPolicyRecord, ManagedPolicyRef, MembershipRecord},
        },
        units::identity::{GroupUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
    },
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::unique_id::UniqueId;
use keyward_wire::{json::Members, query::Params, xml};

use crate::{
    Cx, Iam, condition_keys,
    entity::{Entity, EntityAction, EntityName, Lookup, Record, entity_actions},
    facets::Holder,
    fault::IamFault,
    names,
    nouns::check_policy_arn,
    on_one::{On, OnOne},
    page::{Page, Paging},
    shape,
};

entity_actions! {
    UserUnit, names::USER => AttachUserPolicy = "iam:AttachUserPolicy", DetachUserPolicy = "iam:DetachUserPolicy", ListAttachedUserPolicies = "iam:ListAttachedUserPolicies",;
    GroupUnit, names::GROUP => AttachGroupPolicy = "iam:AttachGroupPolicy", DetachGroupPolicy = "iam:DetachGroupPolicy", ListAttachedGroupPolicies = "iam:ListAttachedGroupPolicies",;
    RoleUnit, names::ROLE => AttachRolePolicy = "iam:AttachRolePolicy", DetachRolePolicy = "iam:DetachRolePolicy", ListAttachedRolePolicies = "iam:ListAttachedRolePolicies",;
}

/// The policy that is to be attached.
///
/// # Errors
/// `InvalidInput`, `NoSuchEntity`, `PolicyNotAttachable`.
pub fn attachable<'p>(
    policy: &'p Option<Arc<ManagedPolicyUnit>>,
    arn: &str,
) -> Result<&'p Arc<ManagedPolicyUnit>, IamFault> {
    usable(policy, arn, "Policy")
}

/// The policy that is to be attached or to be a boundary; `word` is what AWS calls it where there
/// is none such.
///
/// # Errors
/// `InvalidInput`, `NoSuchEntity`, `PolicyNotAttachable`.
pub fn usable<'p>(
    policy: &'p Option<Arc<ManagedPolicyUnit>>,
    arn: &str,
    word: &str,
) -> Result<&'p Arc<ManagedPolicyUnit>, IamFault> {
    check_policy_arn(arn)?;
    let policy = policy.as_ref().ok_or_else(|| {
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

/// An identity and the policy that is attached to it or not.
#[derive(Debug)]
pub struct Both<E> {
    to: Lookup<E>,
    policy: Option<Arc<ManagedPolicyUnit>>,
}

impl<E: Entity> Both<E> {
    async fn find(cx: &Cx<'_>, name: &str, arn: &str) -> Result<Self, IamFault> {
        let to = Lookup::find(cx, name).await?;
        let policy = ManagedPolicyUnit::find(cx, arn).await?;
        Ok(Self { to, policy })
    }

    fn supply(&self, supply: &mut Supply, arn: &str) {
        supply.text(condition_keys::POLICY_ARN, arn);
        supply_boundary(&self.to, supply);
    }
}

/// `iam:PermissionsBoundary` of who has one.
pub fn supply_boundary<E: Entity>(of: &Lookup<E>, supply: &mut Supply) {
    if let Some(boundary) = of.found().and_then(|found| found.boundary()) {
        supply.text(condition_keys::PERMISSIONS_BOUNDARY, boundary);
    }
}

/// `AttachUserPolicy`, `AttachGroupPolicy`, `AttachRolePolicy`
#[derive(Debug)]
pub struct Attach<A> {
    to: EntityName<A>,
    policy: String,
}

impl<A> Operation for Attach<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::MEMBER), text("PolicyArn")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both<A::Entity>;
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let to = EntityName::read(&mut m);
        let policy = names::policy_arn(&mut m, "PolicyArn");
        m.finish()?;
        Ok(Self { to, policy })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, IamFault> {
        Both::find(cx, &self.to.name, &self.policy).await
    }

    fn authorize(&self, both: &Self::Resolved, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        both.to
            .permit(gate, |supply| both.supply(supply, &self.policy))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        both: &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let to = both.to.get()?;
        let mut record = to.edit(cx)?;
        let policy = attachable(&both.policy, &self.policy)?;
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
pub struct Detach<A> {
    from: EntityName<A>,
    policy: String,
}

impl<A> Operation for Detach<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::MEMBER), text("PolicyArn")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both<A::Entity>;
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let from = EntityName::read(&mut m);
        let policy = names::policy_arn(&mut m, "PolicyArn");
        m.finish()?;
        Ok(Self { from, policy })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, IamFault> {
        Both::find(cx, &self.from.name, &self.policy).await
    }

    fn authorize(&self, both: &Self::Resolved, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        both.to
            .permit(gate, |supply| both.supply(supply, &self.policy))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        both: &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let from = both.to.get()?;
        let mut record = from.edit(cx)?;
        check_policy_arn(&self.policy)?;
        let missing = || IamFault::missing(format!("Policy {} was not found.", self.policy));
        let policy = both.policy.as_ref().ok_or_else(missing)?;
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
        text(A::Entity::MEMBER),
        text("PathPrefix"),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Action = A;
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

    fn subject(&self) -> &EntityName<A> {
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
