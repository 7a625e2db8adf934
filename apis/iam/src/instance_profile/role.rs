//! The role in an instance profile: put in, taken out. It stands in the profile's record, and an
//! index says the same under the role.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths, purpose,
        records::{self, V1, identity::MembershipRecord},
        units::identity::{InstanceProfileUnit, RoleUnit},
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::query::Params;

use crate::{
    Cx, Iam, condition_keys,
    entity::{Entity, EntityName, Lookup, Record, entity_action},
    fault::IamFault,
    names,
};

/// What profiles hand their roles to.
const PASSED_TO: &str = "ec2.amazonaws.com";
/// The most roles in a profile.
const MOST_ROLES: usize = 1;

/// An instance profile and a role.
#[derive(Debug)]
pub struct Both {
    profile: Lookup<InstanceProfileUnit>,
    role: Lookup<RoleUnit>,
}

impl Both {
    async fn find(cx: &Cx<'_>, profile: &str, role: &str) -> Result<Self, IamFault> {
        Ok(Self {
            profile: Lookup::find(cx, profile).await?,
            role: Lookup::find(cx, role).await?,
        })
    }
}

/// `AddRoleToInstanceProfile`
#[derive(Debug)]
pub struct AddRoleToInstanceProfile {
    profile: EntityName<Self>,
    role: String,
}

keyward_types::actions! { "iam": PassRole = "iam:PassRole", }

entity_action!(
    AddRoleToInstanceProfile = "iam:AddRoleToInstanceProfile",
    InstanceProfileUnit,
    names::INSTANCE_PROFILE
);

impl Operation for AddRoleToInstanceProfile {
    const NAME: &'static str = "AddRoleToInstanceProfile";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("InstanceProfileName"), text("RoleName")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both;
    type Permits = (Permit<Self>, Permit<PassRole>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let profile = EntityName::read(&mut m);
        let role = RoleUnit::read_name(&mut m, names::ROLE);
        m.finish()?;
        Ok(Self { profile, role })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Both, IamFault> {
        Both::find(cx, &self.profile.name, &self.role).await
    }

    fn authorize(&self, both: &Both, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let add = both.profile.permit(gate, |_| ())?;
        let pass = both.role.permit(gate, |supply| {
            supply.text(condition_keys::PASSED_TO_SERVICE, PASSED_TO);
        })?;
        Ok((add, pass))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        both: &Both,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let profile = both.profile.get()?;
        let role = both.role.get()?;
        let role_record = role.edit(cx)?;
        let mut record = profile.edit(cx)?;
        if record.role.is_some() {
            let quota = "InstanceSessionsPerInstanceProfile";
            return Err(IamFault::quota(quota, MOST_ROLES));
        }
        record.role = Some(role_record.id.clone());
        let mut batch = cx.batch();
        let pair = (&role_record.id, &record.id);
        let entry = paths::role_instance_profile(cx.partition(), cx.account(), pair);
        let bytes = records::encode(&MembershipRecord { version: V1 })?;
        batch.put(entry, purpose::MEMBERSHIP, &bytes, Precondition::Absent)?;
        record.put(cx, &mut batch, profile.written())?;
        // Written as it was, so that nobody deletes the role meanwhile.
        role_record.put(cx, &mut batch, role.written())?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `RemoveRoleFromInstanceProfile`
#[derive(Debug)]
pub struct RemoveRoleFromInstanceProfile {
    profile: EntityName<Self>,
    role: String,
}

entity_action!(
    RemoveRoleFromInstanceProfile = "iam:RemoveRoleFromInstanceProfile",
    InstanceProfileUnit,
    names::INSTANCE_PROFILE
);

impl Operation for RemoveRoleFromInstanceProfile {
    const NAME: &'static str = "RemoveRoleFromInstanceProfile";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("InstanceProfileName"), text("RoleName")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let profile = EntityName::read(&mut m);
        let role = RoleUnit::read_name(&mut m, names::ROLE);
        m.finish()?;
        Ok(Self { profile, role })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Both, IamFault> {
        Both::find(cx, &self.profile.name, &self.role).await
    }

    fn authorize(&self, both: &Both, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        both.profile.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        both: &Both,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let profile = both.profile.get()?;
        let role = both.role.get()?;
        let mut record = profile.edit(cx)?;
        let id = &role.record().id;
        if record.role.as_ref() != Some(id) {
            return Err(IamFault::missing(format!(
                "Role {} in Instance Profile {} cannot be found.",
                self.role, self.profile.name
            )));
        }
        record.role = None;
        let mut batch = cx.batch();
        let pair = (id, &record.id);
        let entry = paths::role_instance_profile(cx.partition(), cx.account(), pair);
        batch.delete(entry, Precondition::Any)?;
        record.put(cx, &mut batch, profile.written())?;
        Ok(Done::changed(Empty, batch))
    }
}
