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
    counts::{CountChange, Counted},
    directory::{
        identities::NameKind,
        paths, purpose,
        records::{
            V1,
            identity::{CredentialUseRecord, RoleRecord},
        },
        units::identity::RoleUnit,
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{
    tag::Tag,
    unique_id::{UniqueId, UniqueIdKind},
};
use keyward_wire::{
    json::{self, Members},
    query::Params,
    xml,
};

use crate::{
    Cx, Iam, boundary,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    names, naming,
    newborn::NewIdentity,
    on_one::{On, OnOne},
    reserved,
    shape::{self, ShownRole},
    tags,
};

/// How long a session may be if nothing is said, in seconds.
pub const DEFAULT_SESSION_SECONDS: u32 = 3600;

/// `MaxSessionDuration`
pub fn max_session(m: &mut keyward_wire::json::Members<'_>) -> Option<u32> {
    let seconds = m
        .integer("MaxSessionDuration")
        .range(3600, 43_200)
        .optional();
    seconds.and_then(|seconds| u32::try_from(seconds).ok())
}

/// `CreateRole`
#[derive(Debug)]
pub struct CreateRole {
    name: String,
    path: String,
    trust: String,
    description: Option<String>,
    max_session: Option<u32>,
    boundary: Option<String>,
    tags: Vec<Tag>,
}

/// A role that was made.
#[derive(Debug)]
pub struct RoleCreated(pub ShownRole);

keyward_types::action!("iam": CreateRole = "iam:CreateRole");

impl Operation for CreateRole {
    const NAME: &'static str = "CreateRole";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("Path"),
        text("RoleName"),
        text("AssumeRolePolicyDocument"),
        text("Description"),
        integer("MaxSessionDuration"),
        text("PermissionsBoundary"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Api = Iam;
    type Output = RoleCreated;
    type Fault = IamFault;
    type Resolved = NewIdentity;
    type Permits = (Permit<Self>, Option<Permit<tags::TagRole>>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let path = names::path(&mut m);
        let name = names::name(&mut m, "RoleName", 64);
        let trust = names::document(&mut m, "AssumeRolePolicyDocument");
        let description = names::description(&mut m);
        let max_session = max_session(&mut m);
        let boundary = names::optional_boundary(&mut m);
        let tags = names::tags(&mut m);
        m.finish()?;
        reserved::check(Some(&path), Some(&name))?;
        Ok(Self {
            name,
            path,
            trust,
            description,
            max_session,
            boundary,
            tags: names::checked_tags(tags)?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<NewIdentity, IamFault> {
        let named = (self.path.as_str(), self.name.as_str());
        NewIdentity::find::<RoleUnit>(cx, named, self.boundary.as_deref()).await
    }

    fn authorize(&self, new: &NewIdentity, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        new.permits(gate, (&self.tags, self.boundary.as_deref()))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        new: &NewIdentity,
        cx: &Cx<'_>,
    ) -> Result<Done<RoleCreated>, IamFault> {
        let trust = cx.check_trust(&self.trust).await?;
        let taken = || format!("Role with name {} already exists.", self.name);
        new.entity().check_free(taken)?;
        let boundary = new.boundary(self.boundary.as_deref())?;
        let record = RoleRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Role, random::array()),
            name: self.name.clone(),
            path: self.path.clone(),
            description: self.description.clone(),
            created: cx.now,
            max_session_seconds: self.max_session.unwrap_or(DEFAULT_SESSION_SECONDS),
            trust,
            tags: self.tags.clone(),
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            boundary: boundary.map(|policy| policy.reference()),
            linked_service: None,
        };
        let mut batch = cx.batch();
        if let Some(policy) = boundary {
            boundary::bind(cx, &mut batch, (policy, &record.id))?;
        }
        let counted = make(cx, &mut batch, &record)?;
        // Whom the policy names is shown as it was sent; GetRole shows today's ARNs.
        let shown = ShownRole {
            arn: new.entity().arn().to_owned(),
            record,
            trust: self.trust.clone(),
            last_used: None,
        };
        Ok(Done::changed(RoleCreated(shown), batch).counting(counted))
    }
}

/// Writes a new role, and answers what that does to the counts.
///
/// # Errors
/// `LimitExceeded`.
pub fn make(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    record: &RoleRecord,
) -> Result<CountChange, IamFault> {
    let counted = (Counted::Roles(cx.account()), cx.shared().quotas().roles);
    let counted = naming::count(cx, counted, "RolesPerAccount")?;
    naming::take(cx, batch, (NameKind::Role, &record.name, &record.id))?;
    naming::put_principal_id(cx, batch, &record.id)?;
    record.put(cx, batch, None)?;
    Ok(counted)
}

/// Deletes a role and all that leads to it.
///
/// # Errors
/// When its boundary cannot be read.
pub async fn unmake(cx: &Cx<'_>, batch: &mut SealedBatch, role: &RoleUnit) -> Result<(), IamFault> {
    let record = role.record();
    if let Some(policy) = boundary::current(cx, record.boundary.as_ref()).await? {
        boundary::release(cx, batch, (&policy, &record.id))?;
    }
    batch.delete(record.place(cx), Precondition::At(role.revision()))?;
    naming::free(cx, batch, (NameKind::Role, &record.name))?;
    batch.delete(paths::principal_id(&record.id), Precondition::Any)?;
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
    type Output = RoleFound;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn subject(&self) -> &EntityName<Self> {
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
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn subject(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let role = role.get()?;
        let record = role.edit(cx)?;
        let profiles = cx.directory();
        let profiles = profiles.instance_profiles_of(cx.caller.home(), &record.id);
        let left = [
            (
                !profiles.await?.is_empty(),
                "remove roles from instance profile",
            ),
            (!record.attached_policies.is_empty(), "detach all policies"),
            (!record.inline_policies.is_empty(), "delete policies"),
        ];
        IamFault::check_nothing_left(&left)?;
        let mut batch = cx.batch();
        unmake(cx, &mut batch, role).await?;
        Ok(Done::changed(Empty, batch))
    }
}
