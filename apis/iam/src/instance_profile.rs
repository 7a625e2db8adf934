//! Instance profiles: roles for virtual machines. Keyward has no virtual machines; it stores the
//! profiles for tools that describe a whole account, such as Terraform.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html>

pub mod list;
pub mod role;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    directory::records::V1,
    operation::{Done, Empty, Output},
};
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    names,
    newborn::{Creates, New, Particulars, enroll, unmake},
    nouns::instance_profile::InstanceProfileUnit,
    on_one::{On, OnOne},
    records::InstanceProfileRecord,
    role::show as show_role,
    shape::{self, ShownProfile},
    tags,
};

/// An instance profile as answers show it.
///
/// # Errors
/// When its role cannot be read.
pub async fn show(cx: &Cx<'_>, record: &InstanceProfileRecord) -> Result<ShownProfile, IamFault> {
    let (partition, account) = cx.caller.home();
    let role = match &record.role {
        Some(id) => cx.directory().role((partition, account), id).await?,
        None => None,
    };
    let role = match role {
        Some(role) => Some(show_role(cx, (role.arn(), role.record()), None).await?),
        None => None,
    };
    Ok(ShownProfile {
        arn: record.arn_in((partition, account)),
        record: record.clone(),
        role,
    })
}

/// The instance profiles that a role is in, as answers show them, by their names.
///
/// # Errors
/// When they cannot be read.
pub async fn of_role(cx: &Cx<'_>, role: &UniqueId) -> Result<Vec<ShownProfile>, IamFault> {
    let mut found = Vec::new();
    for profile in InstanceProfileUnit::of_role(cx, role).await? {
        found.push(show(cx, profile.record()).await?);
    }
    found.sort_by_key(|profile| profile.record.name.to_lowercase());
    Ok(found)
}

/// An instance profile alone.
#[derive(Debug)]
pub struct ProfileFound {
    profile: ShownProfile,
    created: bool,
}

impl Output<Iam> for ProfileFound {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("InstanceProfile", |out| shape::profile(out, &self.profile));
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        if self.created {
            let record = &self.profile.record;
            elements.object("instanceProfile", |profile| {
                profile.string("path", &record.path);
                profile.string("instanceProfileName", &record.name);
                profile.string("instanceProfileId", record.id.as_str());
                profile.string("arn", &self.profile.arn);
                profile.string("createDate", &record.created.iso8601());
                profile.array("roles", |_| ());
            });
        }
    }
}

/// `CreateInstanceProfile`
#[derive(Debug)]
pub struct CreateInstanceProfile(Particulars);

keyward_types::action!("iam": CreateInstanceProfile = "iam:CreateInstanceProfile");

impl Creates for CreateInstanceProfile {
    const PARAMETERS: &'static [Parameter] = &[
        text("InstanceProfileName"),
        text("Path"),
        structures("Tags", names::SHOWN_TAG),
    ];
    const RESERVED: bool = false;
    type Entity = InstanceProfileUnit;
    type Tagging = tags::TagInstanceProfile;
    type Output = ProfileFound;

    fn read(m: &mut Members<'_>) -> Self {
        Self(Particulars {
            name: names::name(m, "InstanceProfileName", names::INSTANCE_PROFILE),
            path: names::path(m),
            boundary: None,
            tags: names::tags(m),
        })
    }

    fn wanted(&self) -> &Particulars {
        &self.0
    }

    async fn create(&self, new: &New, cx: &Cx<'_>) -> Result<Done<ProfileFound>, IamFault> {
        new.check_free(InstanceProfileUnit::NOUN)?;
        let record = InstanceProfileRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::InstanceProfile, random::array()),
            name: self.0.name.clone(),
            path: self.0.path.clone(),
            created: cx.now,
            tags: self.0.tags.clone(),
            role: None,
        };
        let mut batch = cx.batch();
        let counted = enroll(cx, &mut batch, &record)?;
        record.put(cx, &mut batch, None)?;
        let profile = show(cx, &record).await?;
        let created = true;
        Ok(Done::changed(ProfileFound { profile, created }, batch).counting(counted))
    }
}

/// `GetInstanceProfile`
#[derive(Debug)]
pub struct GetInstanceProfile(EntityName<Self>);

entity_action!(
    GetInstanceProfile = "iam:GetInstanceProfile",
    InstanceProfileUnit,
    names::INSTANCE_PROFILE
);

impl OnOne for GetInstanceProfile {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("InstanceProfileName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = ProfileFound;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, found: &On<Self>, cx: &Cx<'_>) -> Result<Done<ProfileFound>, IamFault> {
        let profile = show(cx, found.get()?.record()).await?;
        let created = false;
        Ok(Done::unchanged(ProfileFound { profile, created }))
    }
}

/// `DeleteInstanceProfile`
#[derive(Debug)]
pub struct DeleteInstanceProfile(EntityName<Self>);

entity_action!(
    DeleteInstanceProfile = "iam:DeleteInstanceProfile",
    InstanceProfileUnit,
    names::INSTANCE_PROFILE
);

impl OnOne for DeleteInstanceProfile {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("InstanceProfileName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, found: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let profile = found.get()?;
        let record = profile.record();
        let left = [(record.role.is_some(), "remove roles from instance profile")];
        IamFault::check_nothing_left(&left)?;
        let mut batch = cx.batch();
        unmake(cx, &mut batch, (&**profile, record))?;
        Ok(Done::changed(Empty, batch))
    }
}
