//! Who is in which group. A membership stands in both heads and in an index: in the user's record,
//! as a number in the group's, and as an entry under the group that names the user.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddUserToGroup.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        paths, purpose,
        records::{self, V1, identity::MembershipRecord},
        units::identity::{GroupUnit, UserUnit},
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::{json::Members, query::Params};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityName, Lookup, Record, entity_action},
    fault::IamFault,
    group::Groups,
    names,
    on_one::{On, OnOne},
    page::Paging,
};

/// The most groups of a user.
const MAX_GROUPS: usize = 10;

/// A group and a user.
#[derive(Debug)]
pub struct Both {
    group: Lookup<GroupUnit>,
    user: Lookup<UserUnit>,
}

impl Both {
    async fn find(cx: &Cx<'_>, group: &str, user: &str) -> Result<Self, IamFault> {
        let group = Lookup::find(cx, group).await?;
        let user = Lookup::find(cx, user).await?;
        Ok(Self { group, user })
    }
}

/// `AddUserToGroup`
#[derive(Debug)]
pub struct AddUserToGroup {
    group: EntityName<Self>,
    user: String,
}

entity_action!(
    AddUserToGroup = "iam:AddUserToGroup",
    GroupUnit,
    names::GROUP
);

impl Operation for AddUserToGroup {
    const NAME: &'static str = "AddUserToGroup";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("GroupName"), text("UserName")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let group = EntityName::read(&mut m);
        let user = names::name(&mut m, "UserName", names::EXISTING_USER);
        m.finish()?;
        Ok(Self { group, user })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Both, IamFault> {
        Both::find(cx, &self.group.name, &self.user).await
    }

    fn authorize(&self, both: &Both, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        both.group.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        both: &Both,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        // If neither is there, AWS tells of the user.
        let (user, group) = (both.user.get()?, both.group.get()?);
        let (mut group_record, mut user_record) = (group.edit(cx)?, user.edit(cx)?);
        if user_record.groups.contains(&group_record.id) {
            return Ok(Done::unchanged(Empty));
        }
        if user_record.groups.len() >= MAX_GROUPS {
            return Err(IamFault::quota("GroupsPerUser", MAX_GROUPS));
        }
        user_record.groups.push(group_record.id.clone());
        group_record.members = group_record.members.saturating_add(1);
        let mut batch = cx.batch();
        let pair = (&group_record.id, &user_record.id);
        let path = paths::group_member(cx.partition(), cx.account(), pair);
        let entry = records::encode(&MembershipRecord { version: V1 })?;
        batch.put(path, purpose::MEMBERSHIP, &entry, Precondition::Absent)?;
        group_record.put(cx, &mut batch, Some(group.revision()))?;
        user_record.put(cx, &mut batch, Some(user.revision()))?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `RemoveUserFromGroup`
#[derive(Debug)]
pub struct RemoveUserFromGroup {
    group: EntityName<Self>,
    user: String,
}

entity_action!(
    RemoveUserFromGroup = "iam:RemoveUserFromGroup",
    GroupUnit,
    names::GROUP
);

impl Operation for RemoveUserFromGroup {
    const NAME: &'static str = "RemoveUserFromGroup";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("GroupName"), text("UserName")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let group = EntityName::read(&mut m);
        let user = names::name(&mut m, "UserName", names::EXISTING_USER);
        m.finish()?;
        Ok(Self { group, user })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Both, IamFault> {
        Both::find(cx, &self.group.name, &self.user).await
    }

    fn authorize(&self, both: &Both, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        both.group.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        both: &Both,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        // If neither is there, AWS tells of the user.
        let (user, group) = (both.user.get()?, both.group.get()?);
        let (mut group_record, mut user_record) = (group.edit(cx)?, user.edit(cx)?);
        let before = user_record.groups.len();
        user_record.groups.retain(|id| *id != group_record.id);
        if user_record.groups.len() == before {
            // Who is not in is out, as who is in was let in already.
            return Ok(Done::unchanged(Empty));
        }
        group_record.members = group_record.members.saturating_sub(1);
        let mut batch = cx.batch();
        let pair = (&group_record.id, &user_record.id);
        let path = paths::group_member(cx.partition(), cx.account(), pair);
        batch.delete(path, Precondition::Any)?;
        group_record.put(cx, &mut batch, Some(group.revision()))?;
        user_record.put(cx, &mut batch, Some(user.revision()))?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `ListGroupsForUser`
#[derive(Debug)]
pub struct ListGroupsForUser {
    of: EntityName<Self>,
    paging: Paging,
}

entity_action!(
    ListGroupsForUser = "iam:ListGroupsForUser",
    UserUnit,
    names::EXISTING_USER
);

impl OnOne for ListGroupsForUser {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("UserName"), text("Marker"), integer("MaxItems")];
    type Action = Self;
    type Output = Groups;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let paging = Paging::read(m);
        Self { of, paging }
    }

    fn subject(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, user: &On<Self>, cx: &Cx<'_>) -> Result<Done<Groups>, IamFault> {
        let mut groups = Vec::new();
        for id in &user.get()?.record().groups {
            if let Some(group) = cx.directory().group(cx.caller.home(), id).await? {
                groups.push((group.arn().to_owned(), group.record().clone()));
            }
        }
        let filter = (Self::NAME, self.of.name.as_str());
        let page = self
            .paging
            .cut(cx, filter, groups, |(_, group)| group.name.clone())?;
        Ok(Done::unchanged(Groups(page)))
    }
}
