//! What of a role can be changed: description, session length, trust policy.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::units::identity::RoleUnit,
    operation::{Done, Empty, Output},
};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityName, entity_action},
    fault::IamFault,
    names,
    on_one::{On, OnOne},
    role::{max_session, show},
    shape::{self, ShownRole},
};

/// `UpdateRole`
#[derive(Debug)]
pub struct UpdateRole {
    of: EntityName<Self>,
    description: Option<String>,
    max_session: Option<u32>,
}

/// The output of UpdateRole, which has no members and yet is one.
#[derive(Debug)]
pub struct RoleUpdated;

impl Output<Iam> for RoleUpdated {
    fn render(&self, _out: &mut xml::Writer<'_>) {}
}

entity_action!(UpdateRole = "iam:UpdateRole", RoleUnit, names::ROLE);

impl OnOne for UpdateRole {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("RoleName"),
        text("Description"),
        integer("MaxSessionDuration"),
    ];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = RoleUpdated;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let description = names::description(m);
        let max_session = max_session(m);
        Self {
            of,
            description,
            max_session,
        }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<RoleUpdated>, IamFault> {
        let role = role.get()?;
        let mut record = role.edit(cx)?;
        if let Some(description) = &self.description {
            record.description = Some(description.clone());
        }
        if let Some(seconds) = self.max_session {
            record.max_session_seconds = seconds;
        }
        Ok(Done::changed(RoleUpdated, role.rewrite(cx, &record)?))
    }
}

/// `UpdateRoleDescription`
#[derive(Debug)]
pub struct UpdateRoleDescription {
    of: EntityName<Self>,
    description: String,
}

/// The output of UpdateRoleDescription.
#[derive(Debug)]
pub struct DescriptionUpdated(ShownRole);

impl Output<Iam> for DescriptionUpdated {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("Role", |out| shape::role_as_written(out, &self.0));
    }
}

entity_action!(
    UpdateRoleDescription = "iam:UpdateRoleDescription",
    RoleUnit,
    names::ROLE
);

impl OnOne for UpdateRoleDescription {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("RoleName"), text("Description")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = DescriptionUpdated;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        // Members reads it again, as missing, only if it was not given.
        let description = names::description(m);
        if description.is_none() {
            m.string("Description").required();
        }
        let description = description.unwrap_or_default();
        Self { of, description }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(
        &self,
        role: &On<Self>,
        cx: &Cx<'_>,
    ) -> Result<Done<DescriptionUpdated>, IamFault> {
        let role = role.get()?;
        let mut record = role.edit(cx)?;
        record.description = Some(self.description.clone());
        let batch = role.rewrite(cx, &record)?;
        let shown = show(cx, (role.arn(), &record), None).await?;
        Ok(Done::changed(DescriptionUpdated(shown), batch))
    }
}

/// `UpdateAssumeRolePolicy`
#[derive(Debug)]
pub struct UpdateAssumeRolePolicy {
    of: EntityName<Self>,
    trust: String,
}

entity_action!(
    UpdateAssumeRolePolicy = "iam:UpdateAssumeRolePolicy",
    RoleUnit,
    names::ROLE
);

impl OnOne for UpdateAssumeRolePolicy {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("RoleName"), text("PolicyDocument")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let trust = names::document(m, "PolicyDocument");
        Self { of, trust }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let role = role.get()?;
        let mut record = role.edit(cx)?;
        record.trust = cx.check_trust(&self.trust).await?;
        Ok(Done::changed(Empty, role.rewrite(cx, &record)?))
    }
}
