//! IAM groups: made, shown, listed, deleted.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html>

pub mod membership;

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    counts::Counted,
    directory::{
        identities::NameKind,
        paths,
        records::{UserRecord, V1, identity::GroupRecord},
        units::identity::GroupUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    query::Params,
    xml,
};

use crate::{
    Cx, Iam,
    by_path::ByPath,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    names, naming,
    newborn::New,
    on_one::{On, OnOne},
    page::{Page, Paging},
    reserved, shape,
};

/// `CreateGroup`
#[derive(Debug)]
pub struct CreateGroup {
    name: String,
    path: String,
}

/// A group with its ARN.
#[derive(Debug)]
pub struct ShownGroup {
    arn: String,
    record: GroupRecord,
}

keyward_types::action!("iam": CreateGroup = "iam:CreateGroup");

impl Operation for CreateGroup {
    const NAME: &'static str = "CreateGroup";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("Path"), text("GroupName")];
    type Api = Iam;
    type Output = ShownGroup;
    type Fault = IamFault;
    type Resolved = New;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let path = names::path(&mut m);
        let name = names::name(&mut m, "GroupName", 128);
        m.finish()?;
        reserved::check(Some(&path), Some(&name))?;
        Ok(Self { name, path })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, IamFault> {
        New::find::<GroupUnit>(cx, (&self.path, &self.name)).await
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(new.arn()), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<ShownGroup>, IamFault> {
        let taken = || format!("Group with name {} already exists.", self.name);
        new.check_free(taken)?;
        let counted = (Counted::Groups(cx.account()), cx.shared().quotas().groups);
        let counted = naming::count(cx, counted, "GroupsPerAccount")?;
        let record = GroupRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Group, random::array()),
            name: self.name.clone(),
            path: self.path.clone(),
            created: cx.now,
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            members: 0,
        };
        let mut batch = cx.batch();
        naming::take(cx, &mut batch, (NameKind::Group, &self.name, &record.id))?;
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

/// `GetGroup`
#[derive(Debug)]
pub struct GetGroup {
    of: EntityName<Self>,
    paging: Paging,
}

/// A group with a page of its members.
#[derive(Debug)]
pub struct GroupFound {
    group: ShownGroup,
    users: Page<(String, UserRecord)>,
}

entity_action!(GetGroup = "iam:GetGroup", GroupUnit, names::GROUP);

impl OnOne for GetGroup {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("GroupName"), text("Marker"), integer("MaxItems")];
    type Action = Self;
    type Output = GroupFound;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let paging = Paging::read(m);
        Self { of, paging }
    }

    fn subject(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, group: &On<Self>, cx: &Cx<'_>) -> Result<Done<GroupFound>, IamFault> {
        let group = group.get()?;
        let (partition, account) = cx.caller.home();
        let prefix = paths::group_members(partition, account, &group.record().id);
        let mut users = Vec::new();
        for id in cx.directory().members(&prefix).await? {
            if let Some(user) = cx.directory().user(partition, account, &id).await? {
                users.push((user.arn().to_owned(), user.record().clone()));
            }
        }
        let filter = (Self::NAME, self.of.name.as_str());
        let users = self
            .paging
            .cut(cx, filter, users, |(_, user)| user.name.clone())?;
        let group = ShownGroup {
            arn: group.arn().to_owned(),
            record: group.record().clone(),
        };
        Ok(Done::unchanged(GroupFound { group, users }))
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
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn subject(&self) -> &EntityName<Self> {
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
        batch.delete(record.place(cx), Precondition::At(group.revision()))?;
        naming::free(cx, &mut batch, (NameKind::Group, &record.name))?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `ListGroups`
#[derive(Debug)]
pub struct ListGroups(ByPath);

/// A page of groups.
#[derive(Debug)]
pub struct Groups(pub Page<(String, GroupRecord)>);

keyward_types::action!("iam": ListGroups = "iam:ListGroups");

impl Operation for ListGroups {
    const NAME: &'static str = "ListGroups";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")];
    type Api = Iam;
    type Output = Groups;
    type Fault = IamFault;
    /// What the list is of, as a resource.
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        ByPath::parse(params).map(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        Ok(self.0.resource::<GroupUnit>(cx))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(arn), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Groups>, IamFault> {
        let page = self.0.page(cx, Self::NAME).await?;
        let home = cx.caller.home();
        let shown = |group: GroupRecord| (Record::arn(&group, home), group);
        Ok(Done::unchanged(Groups(page.map(shown))))
    }
}

impl Output<Iam> for Groups {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Groups", |out, (arn, group)| {
            shape::group(out, (arn, group))
        });
    }
}
