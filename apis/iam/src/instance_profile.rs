//! Instance profiles: roles as virtual machines are given them. Keyward has no virtual machines; it
//! keeps the profiles for what describes an account as a whole, such as Terraform.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html>

pub mod list;
pub mod noun;
pub mod role;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    counts::Counted,
    directory::{
        identities::NameKind,
        records::{V1, identity::InstanceProfileRecord},
        units::identity::InstanceProfileUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
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
    Cx, Iam,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    names, naming,
    newborn::New,
    on_one::{On, OnOne},
    role::show as show_role,
    shape::{self, ShownProfile},
    tag_keys::Keys,
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
        arn: record.arn(partition, account),
        record: record.clone(),
        role,
    })
}

/// The instance profiles that a role is in, as answers show them, by their names.
///
/// # Errors
/// When they cannot be read.
pub async fn of_role(cx: &Cx<'_>, role: &UniqueId) -> Result<Vec<ShownProfile>, IamFault> {
    let home = cx.caller.home();
    let mut found = Vec::new();
    for profile in cx.directory().instance_profiles_of(home, role).await? {
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
pub struct CreateInstanceProfile {
    name: String,
    path: String,
    tags: Vec<Tag>,
}

keyward_types::action!("iam": CreateInstanceProfile = "iam:CreateInstanceProfile");

impl Operation for CreateInstanceProfile {
    const NAME: &'static str = "CreateInstanceProfile";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("InstanceProfileName"),
        text("Path"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Api = Iam;
    type Output = ProfileFound;
    type Fault = IamFault;
    type Resolved = New;
    type Permits = (Permit<Self>, Option<Permit<tags::TagInstanceProfile>>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let name = names::name(&mut m, InstanceProfileUnit::MEMBER, names::INSTANCE_PROFILE);
        let path = names::path(&mut m);
        let tags = names::tags(&mut m);
        m.finish()?;
        let tags = Keys::Exact.checked(tags)?;
        Ok(Self { name, path, tags })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, IamFault> {
        New::find::<InstanceProfileUnit>(cx, (&self.path, &self.name)).await
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let on = IdentityOnly::new(new.arn());
        let create = gate.permit(&on, |supply| supply.request_tags(&self.tags))?;
        Ok((create, gate.tagging(&on, &self.tags)?))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<ProfileFound>, IamFault> {
        let taken = || format!("Instance Profile {} already exists.", self.name);
        new.check_free(taken)?;
        let most = cx.shared().quotas().instance_profiles;
        let counted = (Counted::InstanceProfiles(cx.account()), most);
        let counted = naming::count(cx, counted, "InstanceProfilesPerAccount")?;
        let record = InstanceProfileRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::InstanceProfile, random::array()),
            name: self.name.clone(),
            path: self.path.clone(),
            created: cx.now,
            tags: self.tags.clone(),
            role: None,
        };
        let mut batch = cx.batch();
        let named = (NameKind::InstanceProfile, self.name.as_str(), &record.id);
        naming::take(cx, &mut batch, named)?;
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
    type Output = ProfileFound;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn subject(&self) -> &EntityName<Self> {
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
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn subject(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, found: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let profile = found.get()?;
        let record = profile.record();
        let left = [(record.role.is_some(), "remove roles from instance profile")];
        IamFault::check_nothing_left(&left)?;
        let mut batch = cx.batch();
        batch.delete(record.place(cx), Precondition::At(profile.revision()))?;
        naming::free(cx, &mut batch, (NameKind::InstanceProfile, &record.name))?;
        Ok(Done::changed(Empty, batch))
    }
}
