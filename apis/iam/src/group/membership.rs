//! Who is in which group. A membership is in both heads and in an index: in the user's record, as a
//! number in the group's, and as an entry under the group that names the user.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddUserToGroup.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        purpose,
        records::{
            self, V1,
            identity::{GroupRecord, MembershipRecord},
        },
        units::identity::{GroupUnit, UserUnit},
    },
    operation::{Done, Empty},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx,
    entity::{Entity, EntityName, Lookup, Record, entity_action, entity_actions},
    fault::IamFault,
    group::Groups,
    names,
    on_one::{Listing, On, OnOne, Pair},
    page::Page,
    paths,
};

/// The most groups of a user.
const MAX_GROUPS: usize = 10;

/// `AddUserToGroup`
#[derive(Debug)]
pub struct AddUserToGroup(Pair<Self, UserUnit>);

entity_action!(
    AddUserToGroup = "iam:AddUserToGroup",
    GroupUnit,
    names::GROUP
);

impl OnOne for AddUserToGroup {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("GroupName"), text("UserName")];
    type Action = Self;
    type Operand = Pair<Self, UserUnit>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let group = EntityName::read(m);
        let user = names::name(m, "UserName", names::EXISTING_USER);
        Self(Pair::new(group, user))
    }

    fn operand(&self) -> &Pair<Self, UserUnit> {
        &self.0
    }

    async fn answer(&self, (group, user): &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        // If neither exists, AWS's error is about the user.
        let (user, group) = (user.get()?, group.get()?);
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
pub struct RemoveUserFromGroup(Pair<Self, UserUnit>);

entity_action!(
    RemoveUserFromGroup = "iam:RemoveUserFromGroup",
    GroupUnit,
    names::GROUP
);

impl OnOne for RemoveUserFromGroup {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("GroupName"), text("UserName")];
    type Action = Self;
    type Operand = Pair<Self, UserUnit>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let group = EntityName::read(m);
        let user = names::name(m, "UserName", names::EXISTING_USER);
        Self(Pair::new(group, user))
    }

    fn operand(&self) -> &Pair<Self, UserUnit> {
        &self.0
    }

    async fn answer(&self, (group, user): &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        // If neither exists, AWS's error is about the user.
        let (user, group) = (user.get()?, group.get()?);
        let (mut group_record, mut user_record) = (group.edit(cx)?, user.edit(cx)?);
        let before = user_record.groups.len();
        user_record.groups.retain(|id| *id != group_record.id);
        if user_record.groups.len() == before {
            // Removing a user who is not in the group succeeds, as does adding one who is.
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

entity_actions! {
    UserUnit, names::EXISTING_USER => ListGroupsForUser = "iam:ListGroupsForUser",;
}

impl Listing for ListGroupsForUser {
    type Action = Self;
    type Operand = EntityName<Self>;
    type Item = (String, GroupRecord);
    type Output = Groups;

    async fn items(
        user: &Lookup<UserUnit>,
        cx: &Cx<'_>,
    ) -> Result<Vec<(String, GroupRecord)>, IamFault> {
        let mut groups = Vec::new();
        for id in &user.get()?.record().groups {
            if let Some(group) = cx.directory().group(cx.caller.home(), id).await? {
                groups.push((group.arn().to_owned(), group.record().clone()));
            }
        }
        Ok(groups)
    }

    fn key((_, group): &(String, GroupRecord)) -> String {
        group.name.clone()
    }

    async fn answer(
        _user: &Lookup<UserUnit>,
        page: Page<(String, GroupRecord)>,
        _cx: &Cx<'_>,
    ) -> Result<Groups, IamFault> {
        Ok(Groups(page))
    }
}
