//! IAM groups: made, shown, listed, deleted.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html>

pub mod membership;

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        records::{UserRecord, V1, identity::GroupRecord},
        units::identity::GroupUnit,
    },
    operation::{Done, Empty, Output},
};
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{
    Cx, Iam,
    by_path::ListAction,
    entity::{Entity, EntityName, Lookup, Record, entity_action, entity_actions},
    fault::IamFault,
    names,
    newborn::{Creates, New, Particulars, enroll, unmake},
    on_one::{Listing, On, OnOne},
    page::Page,
    paths, shape,
};

/// `CreateGroup`
#[derive(Debug)]
pub struct CreateGroup(Particulars);

/// A group with its ARN.
#[derive(Debug)]
pub struct ShownGroup {
    arn: String,
    record: GroupRecord,
}

keyward_types::action!("iam": CreateGroup = "iam:CreateGroup");

impl Creates for CreateGroup {
    const PARAMETERS: &'static [Parameter] = &[text("Path"), text("GroupName")];
    type Entity = GroupUnit;
    type Tagging = Self;
    type Output = ShownGroup;

    fn read(m: &mut Members<'_>) -> Self {
        Self(Particulars {
            path: names::path(m),
            name: names::name(m, "GroupName", names::GROUP),
            boundary: None,
            tags: Vec::new(),
        })
    }

    fn wanted(&self) -> &Particulars {
        &self.0
    }

    async fn create(&self, new: &New, cx: &Cx<'_>) -> Result<Done<ShownGroup>, IamFault> {
        new.check_free(GroupUnit::NOUN)?;
        let record = GroupRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Group, random::array()),
            name: self.0.name.clone(),
            path: self.0.path.clone(),
            created: cx.now,
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            members: 0,
        };
        let mut batch = cx.batch();
        let counted = enroll(cx, &mut batch, &record)?;
        record.put(cx, &mut batch, None)?;
        let arn = new.arn().to_owned();
        Ok(Done::changed(ShownGroup { arn, record }, batch).counting(counted))
    }
}

impl Output<Iam> for ShownGroup {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("Group", |group| {
            shape::group(group, (&self.arn, &self.record))
        });
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.object("group", |group| {
            group.string("path", &self.record.path);
            group.string("groupName", &self.record.name);
            group.string("groupId", self.record.id.as_str());
            group.string("arn", &self.arn);
            group.string("createDate", &self.record.created.iso8601());
        });
    }
}

/// A group with a page of its members.
#[derive(Debug)]
pub struct GroupFound {
    group: ShownGroup,
    users: Page<(String, UserRecord)>,
}

entity_actions! {
    GroupUnit, names::GROUP => GetGroup = "iam:GetGroup",;
}

impl Listing for GetGroup {
    type Action = Self;
    type Operand = EntityName<Self>;
    type Item = (String, UserRecord);
    type Output = GroupFound;

    async fn items(
        group: &Lookup<GroupUnit>,
        cx: &Cx<'_>,
    ) -> Result<Vec<(String, UserRecord)>, IamFault> {
        let (partition, account) = cx.caller.home();
        let prefix = paths::group_members(partition, account, &group.get()?.record().id);
        let mut users = Vec::new();
        for id in cx.directory().members(&prefix).await? {
            if let Some(user) = cx.directory().user(partition, account, &id).await? {
                users.push((user.arn().to_owned(), user.record().clone()));
            }
        }
        Ok(users)
    }

    fn key((_, user): &(String, UserRecord)) -> String {
        user.name.clone()
    }

    async fn answer(
        group: &Lookup<GroupUnit>,
        users: Page<(String, UserRecord)>,
        _cx: &Cx<'_>,
    ) -> Result<GroupFound, IamFault> {
        let group = group.get()?;
        let group = ShownGroup {
            arn: group.arn().to_owned(),
            record: group.record().clone(),
        };
        Ok(GroupFound { group, users })
    }
}

impl Output<Iam> for GroupFound {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.group.render(out);
        self.users.render(out, "Users", |out, (arn, user)| {
            shape::user_in_list(out, (arn, user))
        });
    }
}

/// `DeleteGroup`
#[derive(Debug)]
pub struct DeleteGroup(EntityName<Self>);

entity_action!(DeleteGroup = "iam:DeleteGroup", GroupUnit, names::GROUP);

impl OnOne for DeleteGroup {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("GroupName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, group: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let group = group.get()?;
        let record = group.record();
        let left = [
            (!record.attached_policies.is_empty(), "detach all policies"),
            (!record.inline_policies.is_empty(), "delete policies"),
            (record.members > 0, "remove users from group"),
        ];
        IamFault::check_nothing_left(&left)?;
        let mut batch = cx.batch();
        unmake(cx, &mut batch, (&**group, record))?;
        Ok(Done::changed(Empty, batch))
    }
}

/// A page of groups.
#[derive(Debug)]
pub struct Groups(pub Page<(String, GroupRecord)>);

keyward_types::actions! { "iam": ListGroups = "iam:ListGroups", }

impl ListAction for ListGroups {
    type Record = GroupRecord;
    type Output = Groups;

    async fn answer(page: Page<GroupRecord>, cx: &Cx<'_>) -> Result<Groups, IamFault> {
        let home = cx.caller.home();
        let shown = |group: GroupRecord| (group.arn_in(home), group);
        Ok(Groups(page.map(shown)))
    }
}

impl Output<Iam> for Groups {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Groups", |out, (arn, group)| {
            shape::group(out, (arn, group))
        });
    }
}
