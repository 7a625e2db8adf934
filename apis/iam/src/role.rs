//! IAM roles: made, shown, listed, deleted.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>

pub mod linked_services;
pub mod list;
pub mod service_linked;
pub mod update;

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text},
    directory::{
        purpose,
        records::{
            V1,
            identity::{CredentialUseRecord, RoleRecord},
        },
        units::identity::RoleUnit,
    },
    operation::{Done, Empty, Output},
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{
    Cx, Iam, boundary,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    names,
    newborn::{Creates, New, Particulars, enroll, unmake},
    nouns::instance_profile::InstanceProfileUnit,
    on_one::{On, OnOne},
    paths,
    shape::{self, ShownRole},
    tags,
};

/// How long a session may be if nothing is said, in seconds.
pub const DEFAULT_SESSION_SECONDS: u32 = 3600;

/// `MaxSessionDuration`
pub fn max_session(m: &mut Members<'_>) -> Option<u32> {
    let seconds = m
        .integer("MaxSessionDuration")
        .range(3600, 43_200)
        .optional();
    seconds.and_then(|seconds| u32::try_from(seconds).ok())
}

/// `CreateRole`
#[derive(Debug)]
pub struct CreateRole {
    wanted: Particulars,
    trust: String,
    description: Option<String>,
    max_session: Option<u32>,
}

/// A new role.
#[derive(Debug)]
pub struct RoleCreated(pub ShownRole);

keyward_types::action!("iam": CreateRole = "iam:CreateRole");

impl Creates for CreateRole {
    const PARAMETERS: &'static [Parameter] = &[
        text("Path"),
        text("RoleName"),
        text("AssumeRolePolicyDocument"),
        text("Description"),
        integer("MaxSessionDuration"),
        text("PermissionsBoundary"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Entity = RoleUnit;
    type Tagging = tags::TagRole;
    type Output = RoleCreated;

    fn read(m: &mut Members<'_>) -> Self {
        let path = names::path(m);
        let name = names::name(m, "RoleName", names::ROLE);
        let trust = names::document(m, "AssumeRolePolicyDocument");
        let description = names::description(m);
        let max_session = max_session(m);
        let wanted = Particulars {
            name,
            path,
            boundary: names::optional_boundary(m),
            tags: names::tags(m),
        };
        Self {
            wanted,
            trust,
            description,
            max_session,
        }
    }

    fn wanted(&self) -> &Particulars {
        &self.wanted
    }

    async fn create(&self, new: &New, cx: &Cx<'_>) -> Result<Done<RoleCreated>, IamFault> {
        let trust = cx.check_trust(&self.trust).await?;
        new.check_free(RoleUnit::NOUN)?;
        let boundary = new.boundary()?;
        let record = RoleRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Role, random::array()),
            name: self.wanted.name.clone(),
            path: self.wanted.path.clone(),
            description: self.description.clone(),
            created: cx.now,
            max_session_seconds: self.max_session.unwrap_or(DEFAULT_SESSION_SECONDS),
            trust,
            tags: self.wanted.tags.clone(),
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            boundary: boundary.map(|policy| policy.reference()),
            linked_service: None,
        };
        let mut batch = cx.batch();
        if let Some(policy) = boundary {
            boundary::bind(cx, &mut batch, (policy, &record.id))?;
        }
        let counted = enroll(cx, &mut batch, &record)?;
        record.put(cx, &mut batch, None)?;
        // Whom the policy names is shown as it was sent; GetRole shows today's ARNs.
        let shown = ShownRole {
            arn: new.arn().to_owned(),
            record,
            trust: self.trust.clone(),
            last_used: None,
        };
        Ok(Done::changed(RoleCreated(shown), batch).counting(counted))
    }
}

/// Deletes a role and all that leads to it.
///
/// # Errors
/// When its boundary cannot be read.
pub async fn delete(cx: &Cx<'_>, batch: &mut SealedBatch, role: &RoleUnit) -> Result<(), IamFault> {
    let record = role.record();
    if let Some(policy) = boundary::current(cx, record.boundary.as_ref()).await? {
        boundary::release(cx, batch, (&policy, &record.id))?;
    }
    unmake(cx, batch, (role, record))?;
    let used = paths::role_last_use(cx.partition(), cx.account(), &record.id);
    batch.delete(used, Precondition::Any)?;
    Ok(())
}

/// A role as answers show it.
///
/// # Errors
/// When its trust policy cannot be read.
pub async fn show(
    cx: &Cx<'_>,
    (arn, record): (&str, &RoleRecord),
    last_used: Option<CredentialUseRecord>,
) -> Result<ShownRole, IamFault> {
    Ok(ShownRole {
        arn: arn.to_owned(),
        record: record.clone(),
        trust: cx.show_trust(&record.trust).await?,
        last_used,
    })
}

/// When a role was last used.
///
/// # Errors
/// When it cannot be read.
pub async fn last_use(cx: &Cx<'_>, id: &UniqueId) -> Result<Option<CredentialUseRecord>, IamFault> {
    if let Some((_, noted)) = cx.shared().role_usage().noted(id) {
        return Ok(Some(noted.to_record()));
    }
    let path = paths::role_last_use(cx.partition(), cx.account(), id);
    let found = cx.directory().rare(&path, purpose::LAST_USE).await?;
    Ok(found.map(|(used, _)| used))
}

impl Output<Iam> for RoleCreated {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("Role", |out| shape::role_as_written(out, &self.0));
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        let record = &self.0.record;
        elements.object("role", |role| {
            role.string("path", &record.path);
            role.string("roleName", &record.name);
            role.string("roleId", record.id.as_str());
            role.string("arn", &self.0.arn);
            role.string("createDate", &record.created.iso8601());
        });
    }
}

/// `GetRole`
#[derive(Debug)]
pub struct GetRole(EntityName<Self>);

/// A role that was found.
#[derive(Debug)]
pub struct RoleFound(pub ShownRole);

entity_action!(GetRole = "iam:GetRole", RoleUnit, names::ROLE);

impl OnOne for GetRole {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("RoleName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = RoleFound;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<RoleFound>, IamFault> {
        let role = role.get()?;
        let used = last_use(cx, &role.record().id).await?;
        let shown = show(cx, (role.arn(), role.record()), used).await?;
        Ok(Done::unchanged(RoleFound(shown)))
    }
}

impl Output<Iam> for RoleFound {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("Role", |out| shape::role(out, &self.0));
    }
}

/// `DeleteRole`
#[derive(Debug)]
pub struct DeleteRole(EntityName<Self>);

entity_action!(DeleteRole = "iam:DeleteRole", RoleUnit, names::ROLE);

impl OnOne for DeleteRole {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("RoleName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let role = role.get()?;
        let record = role.edit(cx)?;
        let profiles = InstanceProfileUnit::of_role(cx, &record.id).await?;
        let left = [
            (!profiles.is_empty(), "remove roles from instance profile"),
            (!record.attached_policies.is_empty(), "detach all policies"),
            (!record.inline_policies.is_empty(), "delete policies"),
        ];
        IamFault::check_nothing_left(&left)?;
        let mut batch = cx.batch();
        delete(cx, &mut batch, role).await?;
        Ok(Done::changed(Empty, batch))
    }
}
