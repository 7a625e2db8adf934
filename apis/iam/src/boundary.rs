//! Permissions boundaries of users and roles.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPermissionsBoundary.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        identities::Home,
        purpose,
        records::{
            self, V1,
            identity::{ManagedPolicyRef, MembershipRecord},
        },
        units::identity::{ManagedPolicyUnit, RoleUnit, UserUnit},
    },
    gate::supply::Supply,
    operation::{Done, Empty},
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::unique_id::UniqueId;
use keyward_wire::json::Members;

use crate::{
    Cx,
    attachment::{self, recount, supply_boundary},
    condition_keys,
    entity::{Entity, EntityAction, EntityName, Record, entity_actions},
    facets::Bounded,
    fault::IamFault,
    names,
    on_one::{On, OnOne, Pair},
    paths,
};

entity_actions! {
    UserUnit, names::USER => DeleteUserPermissionsBoundary = "iam:DeleteUserPermissionsBoundary", PutUserPermissionsBoundary = "iam:PutUserPermissionsBoundary",;
    RoleUnit, names::ROLE => DeleteRolePermissionsBoundary = "iam:DeleteRolePermissionsBoundary", PutRolePermissionsBoundary = "iam:PutRolePermissionsBoundary",;
}

/// The policy that is to be a boundary.
///
/// # Errors
/// `InvalidInput`, `NoSuchEntity`, `PolicyNotAttachable`.
pub fn usable<'p>(
    policy: Option<&'p Arc<ManagedPolicyUnit>>,
    arn: &str,
) -> Result<&'p Arc<ManagedPolicyUnit>, IamFault> {
    attachment::usable(policy, arn, "Scope ARN:")
}

/// Notes that a policy is the boundary of somebody, in the policy and in the index.
///
/// # Errors
/// When the batch is full.
pub fn bind(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (policy, of): (&ManagedPolicyUnit, &UniqueId),
) -> Result<(), IamFault> {
    let path = paths::policy_boundary(cx.partition(), cx.account(), (policy.id(), of));
    let entry = records::encode(&MembershipRecord { version: V1 })?;
    batch.put(path, purpose::MEMBERSHIP, &entry, Precondition::Absent)?;
    recount(cx, batch, policy, |policy| {
        policy.boundaries = policy.boundaries.saturating_add(1);
    })
}

/// Takes that back.
///
/// # Errors
/// When the batch is full.
pub fn release(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (policy, of): (&ManagedPolicyUnit, &UniqueId),
) -> Result<(), IamFault> {
    let path = paths::policy_boundary(cx.partition(), cx.account(), (policy.id(), of));
    batch.delete(path, Precondition::Any)?;
    recount(cx, batch, policy, |policy| {
        policy.boundaries = policy.boundaries.saturating_sub(1);
    })
}

/// The policy that is a boundary now.
///
/// # Errors
/// When it cannot be read.
pub async fn current(
    cx: &Cx<'_>,
    boundary: Option<&ManagedPolicyRef>,
) -> Result<Option<Arc<ManagedPolicyUnit>>, IamFault> {
    let home: Home = cx.caller.home();
    Ok(match boundary {
        Some(policy) => Some(cx.directory().attached_policy(home, policy).await?),
        None => None,
    })
}

/// `PutUserPermissionsBoundary`, `PutRolePermissionsBoundary`
#[derive(Debug)]
pub struct Put<A>(Pair<A, ManagedPolicyUnit>);

impl<A> OnOne for Put<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Bounded,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text(A::Entity::NOUN.member), text("PermissionsBoundary")];
    type Action = A;
    type Operand = Pair<A, ManagedPolicyUnit>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let on = EntityName::read(m);
        Self(Pair::new(on, names::policy_arn(m, "PermissionsBoundary")))
    }

    fn operand(&self) -> &Self::Operand {
        &self.0
    }

    fn supply(&self, _both: &On<Self>, supply: &mut Supply) {
        supply.text(condition_keys::PERMISSIONS_BOUNDARY, &*self.0.with);
    }

    async fn answer(&self, (of, new): &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let of = of.get()?;
        let mut record = of.edit(cx)?;
        let new = usable(new.found(), &self.0.with)?;
        if record.boundary_mut().as_ref() == Some(&new.reference()) {
            return Ok(Done::unchanged(Empty));
        }
        let old = current(cx, record.boundary_mut().as_ref()).await?;
        let mut batch = cx.batch();
        if let Some(old) = &old {
            release(cx, &mut batch, (old, record.id()))?;
        }
        bind(cx, &mut batch, (new, record.id()))?;
        *record.boundary_mut() = Some(new.reference());
        record.put(cx, &mut batch, of.written())?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `DeleteUserPermissionsBoundary`, `DeleteRolePermissionsBoundary`
#[derive(Debug)]
pub struct Delete<A> {
    of: EntityName<A>,
}

impl<A> OnOne for Delete<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Bounded,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::NOUN.member)];
    type Action = A;
    type Operand = EntityName<A>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        Self { of }
    }

    fn operand(&self) -> &EntityName<A> {
        &self.of
    }

    fn supply(&self, of: &On<Self>, supply: &mut Supply) {
        supply_boundary(of, supply);
    }

    async fn answer(&self, asked: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let of = asked.get()?;
        let mut record = of.edit(cx)?;
        let old = current(cx, record.boundary_mut().as_ref()).await?;
        let Some(old) = old else {
            let (noun, name) = (A::Entity::NOUN.word, &self.of.name);
            let message = format!("The permissions boundary of {noun} {name} cannot be found.");
            return Err(IamFault::missing(message));
        };
        let mut batch = cx.batch();
        release(cx, &mut batch, (&old, record.id()))?;
        *record.boundary_mut() = None;
        record.put(cx, &mut batch, of.written())?;
        Ok(Done::changed(Empty, batch))
    }
}
