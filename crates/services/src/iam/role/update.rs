//! What of a role can be changed: description, session length, trust policy.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html>

use keyward_policy::permit::Permit;
use keyward_types::action;
use keyward_wire::{query::Params, xml};

use crate::{
    context::Context,
    directory::units::identity::RoleUnit,
    gate::{Denied, Gate},
    iam::{
        Iam,
        entity::{Asked, Entity, Record, Subject},
        fault::IamFault,
        names,
        role::{max_session, show},
        shape::{self, ShownRole},
    },
    operation::{Done, Empty, Operation, Output},
};

/// `UpdateRole`
#[derive(Debug)]
pub struct UpdateRole {
    of: Subject<action::UpdateRole>,
    description: Option<String>,
    max_session: Option<u32>,
}

/// The output of UpdateRole, which has no members and yet is one.
#[derive(Debug)]
pub struct RoleUpdated;

impl Output<Iam> for RoleUpdated {
    fn render(&self, _out: &mut xml::Writer<'_>) {}
}

impl Operation for UpdateRole {
    const NAME: &'static str = "UpdateRole";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = RoleUpdated;
    type Fault = IamFault;
    type Resolved = Asked<RoleUnit>;
    type Permits = Permit<action::UpdateRole>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = Subject::read(&mut m);
        let description = names::description(&mut m);
        let max_session = max_session(&mut m);
        m.finish()?;
        Ok(Self {
            of,
            description,
            max_session,
        })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Asked<RoleUnit>, IamFault> {
        self.of.find(cx).await
    }

    fn authorize(&self, role: &Asked<RoleUnit>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        role.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        role: &Asked<RoleUnit>,
        cx: &Context<'_>,
    ) -> Result<Done<RoleUpdated>, IamFault> {
        let role = role.get()?;
        let mut record = role.edit(cx)?;
        if let Some(description) = &self.description {
            record.description = Some(description.clone());
        }
        if let Some(seconds) = self.max_session {
            record.max_session_seconds = seconds;
        }
        let mut batch = cx.batch();
        record.put(cx, &mut batch, Some(role.revision()))?;
        Ok(Done::changed(RoleUpdated, batch))
    }
}

/// `UpdateRoleDescription`
#[derive(Debug)]
pub struct UpdateRoleDescription {
    of: Subject<action::UpdateRoleDescription>,
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

impl Operation for UpdateRoleDescription {
    const NAME: &'static str = "UpdateRoleDescription";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = DescriptionUpdated;
    type Fault = IamFault;
    type Resolved = Asked<RoleUnit>;
    type Permits = Permit<action::UpdateRoleDescription>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = Subject::read(&mut m);
        // Members reads it again, as missing, only if it was not given.
        let description = names::description(&mut m);
        if description.is_none() {
            m.string("Description").required();
        }
        m.finish()?;
        let description = description.unwrap_or_default();
        Ok(Self { of, description })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Asked<RoleUnit>, IamFault> {
        self.of.find(cx).await
    }

    fn authorize(&self, role: &Asked<RoleUnit>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        role.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        role: &Asked<RoleUnit>,
        cx: &Context<'_>,
    ) -> Result<Done<DescriptionUpdated>, IamFault> {
        let role = role.get()?;
        let mut record = role.edit(cx)?;
        record.description = Some(self.description.clone());
        let mut batch = cx.batch();
        record.put(cx, &mut batch, Some(role.revision()))?;
        let shown = show(cx, (role.arn(), &record), None).await?;
        Ok(Done::changed(DescriptionUpdated(shown), batch))
    }
}

/// `UpdateAssumeRolePolicy`
#[derive(Debug)]
pub struct UpdateAssumeRolePolicy {
    of: Subject<action::UpdateAssumeRolePolicy>,
    trust: String,
}

impl Operation for UpdateAssumeRolePolicy {
    const NAME: &'static str = "UpdateAssumeRolePolicy";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Asked<RoleUnit>;
    type Permits = Permit<action::UpdateAssumeRolePolicy>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = Subject::read(&mut m);
        let trust = names::document(&mut m, "PolicyDocument");
        m.finish()?;
        Ok(Self { of, trust })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Asked<RoleUnit>, IamFault> {
        self.of.find(cx).await
    }

    fn authorize(&self, role: &Asked<RoleUnit>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        role.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        role: &Asked<RoleUnit>,
        cx: &Context<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let role = role.get()?;
        let mut record = role.edit(cx)?;
        record.trust = cx.check_trust(&self.trust).await?;
        let mut batch = cx.batch();
        record.put(cx, &mut batch, Some(role.revision()))?;
        Ok(Done::changed(Empty, batch))
    }
}
