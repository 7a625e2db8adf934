//! Who a managed policy is attached to, or the boundary of.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::units::identity::ManagedPolicyUnit,
    operation::{Done, Output},
};
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    entity::{EntityName, entity_action},
    fault::IamFault,
    names,
    on_one::{On, OnOne},
    page::{Page, Paging},
    paths,
};

/// `ListEntitiesForPolicy`
#[derive(Debug)]
pub struct ListEntitiesForPolicy {
    of: EntityName<Self>,
    kind: Option<&'static str>,
    path_prefix: String,
    usage: Option<&'static str>,
    paging: Paging,
}

/// A page of users, groups and roles.
#[derive(Debug)]
pub struct Entities(Page<Holding>);

/// An entity that has the policy.
#[derive(Clone, Debug)]
struct Holding {
    kind: UniqueIdKind,
    name: String,
    path: String,
    id: UniqueId,
}

async fn holding(cx: &Cx<'_>, id: UniqueId) -> Result<Option<Holding>, IamFault> {
    let (directory, home) = (cx.directory(), cx.caller.home());
    let Some(kind) = id.kind() else {
        return Ok(None);
    };
    let found = match kind {
        UniqueIdKind::User => {
            let user = directory.user(home.0, home.1, &id).await?;
            user.map(|user| (user.record().name.clone(), user.record().path.clone()))
        }
        UniqueIdKind::Role => {
            let role = directory.role(home, &id).await?;
            role.map(|role| (role.record().name.clone(), role.record().path.clone()))
        }
        UniqueIdKind::Group => {
            let group = directory.group(home, &id).await?;
            group.map(|group| (group.record().name.clone(), group.record().path.clone()))
        }
        UniqueIdKind::ManagedPolicy | UniqueIdKind::InstanceProfile => None,
    };
    Ok(found.map(|(name, path)| Holding {
        kind,
        name,
        path,
        id,
    }))
}

fn word(kind: UniqueIdKind) -> &'static str {
    match kind {
        UniqueIdKind::User => "User",
        UniqueIdKind::Role => "Role",
        UniqueIdKind::Group => "Group",
        UniqueIdKind::ManagedPolicy => "LocalManagedPolicy",
        UniqueIdKind::InstanceProfile => "InstanceProfile",
    }
}

entity_action!(
    ListEntitiesForPolicy = "iam:ListEntitiesForPolicy",
    ManagedPolicyUnit,
    names::ARN
);

impl OnOne for ListEntitiesForPolicy {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("PolicyArn"),
        text("EntityFilter"),
        text("PathPrefix"),
        text("PolicyUsageFilter"),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Entities;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let kinds = &[
            "User",
            "Role",
            "Group",
            "LocalManagedPolicy",
            "AWSManagedPolicy",
        ];
        let kind = m.enumeration("EntityFilter", kinds).optional();
        let path_prefix = names::entity_path_prefix(m);
        let filters = &["PermissionsPolicy", "PermissionsBoundary"];
        let usage = m.enumeration("PolicyUsageFilter", filters).optional();
        let paging = Paging::read(m);
        Self {
            of,
            kind,
            path_prefix,
            usage,
            paging,
        }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<Entities>, IamFault> {
        let policy = policy.get()?;
        let (partition, account) = cx.caller.home();
        let mut ids = Vec::new();
        if self.usage != Some("PermissionsBoundary") {
            let prefix = paths::policy_attachments(partition, account, policy.id());
            ids.extend(cx.directory().members(&prefix).await?);
        }
        if self.usage != Some("PermissionsPolicy") {
            let prefix = paths::policy_boundaries(partition, account, policy.id());
            ids.extend(cx.directory().members(&prefix).await?);
        }
        ids.sort();
        ids.dedup();
        let mut found = Vec::new();
        for id in ids {
            found.extend(holding(cx, id).await?);
        }
        found.retain(|one| {
            self.kind.is_none_or(|kind| kind == word(one.kind))
                && one.path.starts_with(&self.path_prefix)
        });
        let Self {
            of,
            kind,
            path_prefix,
            usage,
            ..
        } = self;
        let filter = format!("{} {kind:?} {usage:?} {path_prefix}", of.name);
        let page = self.paging.cut(cx, (Self::NAME, &filter), found, |one| {
            format!("{}/{}", word(one.kind), one.name)
        })?;
        Ok(Done::unchanged(Entities(page)))
    }
}

impl Output<Iam> for Entities {
    fn render(&self, out: &mut xml::Writer<'_>) {
        for (list, kind, name, id) in [
            ("PolicyGroups", UniqueIdKind::Group, "GroupName", "GroupId"),
            ("PolicyUsers", UniqueIdKind::User, "UserName", "UserId"),
            ("PolicyRoles", UniqueIdKind::Role, "RoleName", "RoleId"),
        ] {
            let of_kind = self.0.items.iter().filter(|one| one.kind == kind);
            out.list(list, of_kind, |out, one| {
                out.text(name, &one.name);
                out.text(id, one.id.as_str());
            });
        }
        self.0.render_end(out);
    }
}
