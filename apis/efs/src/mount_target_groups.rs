//! `DescribeMountTargetSecurityGroups` and `ModifyMountTargetSecurityGroups`: which clients can reach a mount
//! target. The agent that serves it allows those whose addresses are in a rule of one of its security groups.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Efs, fault::EfsFault, members, mount_target::OneMountTarget};

/// `DescribeMountTargetSecurityGroups`
#[derive(Debug)]
pub struct DescribeMountTargetSecurityGroups {
    id: String,
}

/// The security groups of a mount target.
#[derive(Debug)]
pub struct Groups(Vec<String>);

keyward_types::action!("elasticfilesystem": DescribeMountTargetSecurityGroups = "elasticfilesystem:DescribeMountTargetSecurityGroups");

impl Operation for DescribeMountTargetSecurityGroups {
    const NAME: &'static str = "DescribeMountTargetSecurityGroups";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("MountTargetId")];
    type Api = Efs;
    type Output = Groups;
    type Fault = EfsFault;
    type Resolved = OneMountTarget;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::required_mount_target_id(&mut m);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneMountTarget, EfsFault> {
        cx.named_mount_target(&self.id).await
    }

    fn authorize(&self, one: &OneMountTarget, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one.protected(), |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneMountTarget,
        _cx: &Cx<'_>,
    ) -> Result<Done<Groups>, EfsFault> {
        let (_, target) = one.staying()?;
        Ok(Done::unchanged(Groups(target.groups.clone())))
    }
}

impl Output<Efs> for Groups {
    fn render(&self, out: &mut Writer<'_>) {
        out.strings("SecurityGroups", &self.0);
    }
}

/// `ModifyMountTargetSecurityGroups`
#[derive(Debug)]
pub struct ModifyMountTargetSecurityGroups {
    id: String,
    groups: Vec<String>,
}

keyward_types::action!("elasticfilesystem": ModifyMountTargetSecurityGroups = "elasticfilesystem:ModifyMountTargetSecurityGroups");

impl Operation for ModifyMountTargetSecurityGroups {
    const NAME: &'static str = "ModifyMountTargetSecurityGroups";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("MountTargetId"), texts("SecurityGroups")];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = OneMountTarget;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::required_mount_target_id(&mut m);
        let groups = members::security_groups(&mut m).unwrap_or_default();
        m.finish()?;
        if groups.is_empty() {
            let message = "SecurityGroups must name at least one security group.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(Self { id, groups })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneMountTarget, EfsFault> {
        cx.named_mount_target(&self.id).await
    }

    fn authorize(&self, one: &OneMountTarget, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one.protected(), |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneMountTarget,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let (found, target) = one.staying()?;
        let groups = cx.checked_groups(&self.groups, &target.vpc)?;
        let mut targets = found.volume.targets.clone();
        for other in targets.iter_mut().filter(|other| other.id == target.id) {
            other.groups.clone_from(&groups);
        }
        let mut batch = cx.batch();
        cx.put_targets(&mut batch, found, targets)?;
        Ok(Done::changed(Empty, batch))
    }
}
