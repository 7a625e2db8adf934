//! Adding a role to an instance profile and removing it. It is in the profile's record, and an
//! index says the same under the role.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        purpose,
        records::{self, V1, identity::MembershipRecord},
        units::identity::RoleUnit,
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::{json::Members, query::Params};

use crate::{
    Cx, Iam, condition_keys,
    entity::{Entity, EntityAction, EntityName, Lookup, Record, entity_action},
    fault::IamFault,
    names,
    nouns::instance_profile::InstanceProfileUnit,
    on_one::{On, OnOne, Operand, Pair},
    paths,
};

/// What profiles hand their roles to.
const PASSED_TO: &str = "ec2.amazonaws.com";
/// The most roles in a profile.
const MOST_ROLES: usize = 1;

const PARAMETERS: &[Parameter] = &[text("InstanceProfileName"), text("RoleName")];

/// An instance profile and a role, as they were found.
type Both = (Lookup<InstanceProfileUnit>, Lookup<RoleUnit>);

fn read<A: EntityAction>(m: &mut Members<'_>) -> Pair<A, RoleUnit> {
    let profile = EntityName::read(m);
    Pair::new(profile, RoleUnit::read_name(m, names::ROLE))
}

/// `AddRoleToInstanceProfile`
#[derive(Debug)]
pub struct AddRoleToInstanceProfile(Pair<Self, RoleUnit>);

keyward_types::actions! { "iam": PassRole = "iam:PassRole", }

entity_action!(
    AddRoleToInstanceProfile = "iam:AddRoleToInstanceProfile",
    InstanceProfileUnit,
    names::INSTANCE_PROFILE
);

impl Operation for AddRoleToInstanceProfile {
    const NAME: &'static str = "AddRoleToInstanceProfile";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Both;
    type Permits = (Permit<Self>, Permit<PassRole>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let pair = read(&mut m);
        m.finish()?;
        Ok(Self(pair))
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Both, IamFault> {
        self.0.find(cx).await
    }

    fn authorize(&self, both: &Both, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let add = self.0.permit(both, gate, |_| ())?;
        let (_, role) = both;
        let pass = role.permit(gate, |supply| {
            supply.text(condition_keys::PASSED_TO_SERVICE, PASSED_TO);
        })?;
        Ok((add, pass))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        (profile, role): &Both,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let profile = profile.get()?;
        let role = role.get()?;
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
        // Written unchanged, so that nobody deletes the role in the meantime.
        role_record.put(cx, &mut batch, role.written())?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `RemoveRoleFromInstanceProfile`
#[derive(Debug)]
pub struct RemoveRoleFromInstanceProfile(Pair<Self, RoleUnit>);

entity_action!(
    RemoveRoleFromInstanceProfile = "iam:RemoveRoleFromInstanceProfile",
    InstanceProfileUnit,
    names::INSTANCE_PROFILE
);

impl OnOne for RemoveRoleFromInstanceProfile {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;
    type Action = Self;
    type Operand = Pair<Self, RoleUnit>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(read(m))
    }

    fn operand(&self) -> &Pair<Self, RoleUnit> {
        &self.0
    }

    async fn answer(
        &self,
        (profile, role): &On<Self>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let profile = profile.get()?;
        let role = role.get()?;
        let mut record = profile.edit(cx)?;
        let id = &role.record().id;
        if record.role.as_ref() != Some(id) {
            return Err(IamFault::missing(format!(
                "Role {} in Instance Profile {} cannot be found.",
                self.0.with, self.0.on.name
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
