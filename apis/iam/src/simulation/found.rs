//! The user, group or role whose policies are simulated.

use std::sync::Arc;

use keyward_engine::{
    directory::units::identity::{GroupUnit, RoleUnit, UserUnit},
    gate::{Denied, Gate},
    policy::permit::Permit,
};
use keyward_types::{
    account::AccountId, action::Action, arn::ArnParts, partition::Partition, principal::Principal,
};

use crate::{
    Cx,
    entity::{Entity, Lookup},
    fault::IamFault,
    shape,
    simulation::source::{SESSION, Sources, managed},
};

/// Whose policies are simulated.
#[derive(Debug)]
pub enum SimulatedIdentity {
    /// A user's, with its groups'.
    User(Lookup<UserUnit>),
    /// A group's.
    Group(Lookup<GroupUnit>),
    /// A role's.
    Role(Lookup<RoleUnit>),
}

/// A user, group or role as an ARN names it.
#[derive(Clone, Copy, Debug)]
pub struct EntityArn<'a> {
    /// Its partition.
    pub partition: Partition,
    /// Its account.
    pub account: AccountId,
    /// `user`, `group` or `role`.
    pub noun: &'static str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> EntityArn<'a> {
    /// Reads the ARN of a user, group or role.
    ///
    /// # Errors
    /// `InvalidInput` for anything else, such as a session of a role.
    pub fn parse(arn: &'a str) -> Result<Self, IamFault> {
        let Some(parts) = ArnParts::parse(arn) else {
            return Err(IamFault::invalid("Invalid ARN:  Could not be parsed!"));
        };
        let entity = || {
            let partition = Partition::parse(parts.partition)?;
            let account = AccountId::parse(parts.account).ok()?;
            let (noun, rest) = parts.resource.split_once('/')?;
            let noun = ["user", "group", "role"]
                .into_iter()
                .find(|known| *known == noun)?;
            let name = shape::name_of(rest);
            let whole = parts.service == "iam" && parts.region.is_empty() && !name.is_empty();
            whole.then_some(Self {
                partition,
                account,
                noun,
                name,
            })
        };
        entity().ok_or_else(|| {
            IamFault::invalid(format!(
                "Invalid Entity Arn: {arn} does not clearly define entity type and name."
            ))
        })
    }
}

impl SimulatedIdentity {
    /// Finds the user, group or role with that ARN.
    ///
    /// # Errors
    /// `InvalidInput` if it is no such ARN of the caller's account.
    pub async fn find(cx: &Cx<'_>, arn: &str) -> Result<Self, IamFault> {
        let entity = EntityArn::parse(arn)?;
        if (entity.partition, entity.account) != cx.caller.home() {
            return Err(IamFault::invalid(format!("ARN {arn} is not valid.")));
        }
        match entity.noun {
            "user" => exact(cx, entity.name, arn).await.map(Self::User),
            "group" => exact(cx, entity.name, arn).await.map(Self::Group),
            _ => exact(cx, entity.name, arn).await.map(Self::Role),
        }
    }

    /// Asks for a permit on it.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn permit<A: Action>(&self, gate: &Gate<'_>) -> Result<Permit<A>, Denied> {
        match self {
            Self::User(user) => user.permit(gate, |_| ()),
            Self::Group(group) => group.permit(gate, |_| ()),
            Self::Role(role) => role.permit(gate, |_| ()),
        }
    }

    /// Its policies.
    ///
    /// # Errors
    /// `NoSuchEntity` if it is not there.
    pub async fn sources(&self, cx: &Cx<'_>) -> Result<Sources, IamFault> {
        let mut sources = Sources::of_principal();
        match self {
            Self::User(user) => {
                let user = user.get()?;
                let record = user.record();
                sources.principal = Some(Principal::clone(user.principal()));
                sources.tags.clone_from(&record.tags);
                sources.add_inline(("user", &record.name), &record.inline_policies)?;
                sources.add_attached(cx, &record.attached_policies).await?;
                for id in &record.groups {
                    let group = cx.directory().group_of_user(cx.caller.home(), id).await?;
                    add_group(cx, &mut sources, &group).await?;
                }
                if let Some(boundary) = &record.boundary {
                    sources.boundary = Some(managed(cx, boundary, true).await?);
                }
            }
            Self::Group(group) => add_group(cx, &mut sources, group.get()?).await?,
            Self::Role(role) => {
                let role = role.get()?;
                let record = role.record();
                sources.principal = Some(role.session(SESSION));
                sources.tags.clone_from(&record.tags);
                sources.add_inline(("role", &record.name), &record.inline_policies)?;
                sources.add_attached(cx, &record.attached_policies).await?;
                if let Some(boundary) = &record.boundary {
                    sources.boundary = Some(managed(cx, boundary, true).await?);
                }
            }
        }
        Ok(sources)
    }
}

async fn add_group(
    cx: &Cx<'_>,
    sources: &mut Sources,
    group: &Arc<GroupUnit>,
) -> Result<(), IamFault> {
    let record = group.record();
    sources.add_inline(("group", &record.name), &record.inline_policies)?;
    sources.add_attached(cx, &record.attached_policies).await
}

/// What has that very name and ARN.
async fn exact<E: Entity>(cx: &Cx<'_>, name: &str, arn: &str) -> Result<Lookup<E>, IamFault> {
    // One with another path does not exist, which only callers with permission are told.
    let asked: Lookup<E> = Lookup::find(cx, name).await?;
    Ok(asked.only_at(cx, arn))
}
