//! `DescribeMountTargets` and `DeleteMountTarget`.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeMountTargets.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        paths, purpose,
        records::storage::{AgentRecord, TargetState},
    },
    gate::{Denied, Gate, protected::Protected},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, path::Path};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    access_point::OneAccessPoint,
    fault::EfsFault,
    file_system::{FileSystem, OneFileSystem},
    members,
    mount_target::{DescribedMountTarget, OneMountTarget},
    page::{AskedPage, Listed, Style},
};

/// `DescribeMountTargets`
#[derive(Debug)]
pub struct DescribeMountTargets {
    page: AskedPage,
    of: Of,
}

/// Which mount targets are requested.
#[derive(Debug)]
enum Of {
    FileSystem(String),
    MountTarget(String),
    AccessPoint(String),
}

/// What the request is about.
#[derive(Debug)]
pub enum About {
    /// Those of a file system.
    Of(OneFileSystem),
    /// One.
    One(OneMountTarget),
    /// Those of the file system of an access point, if that is there.
    Through(OneAccessPoint, Option<OneFileSystem>),
}

keyward_types::action!("elasticfilesystem": DescribeMountTargets = "elasticfilesystem:DescribeMountTargets");

impl About {
    fn protected(&self) -> &dyn Protected {
        match self {
            Self::Of(one) => one,
            Self::One(one) => one.protected(),
            Self::Through(point, _) => point,
        }
    }
}

impl Operation for DescribeMountTargets {
    const NAME: &'static str = "DescribeMountTargets";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        integer("MaxItems"),
        text("Marker"),
        text("FileSystemId"),
        text("MountTargetId"),
        text("AccessPointId"),
    ];
    type Api = Efs;
    type Output = Listed<DescribedMountTarget>;
    type Fault = EfsFault;
    type Resolved = About;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let page = AskedPage::read(&mut m, Style::Marker);
        let file_system = members::optional_file_system_id(&mut m);
        let target = members::mount_target_id(&mut m).map(str::to_owned);
        let point = members::access_point_id(&mut m).map(str::to_owned);
        m.finish()?;
        let of = match (file_system, target, point) {
            (Some(id), None, None) => Of::FileSystem(id),
            (None, Some(id), None) => Of::MountTarget(id),
            (None, None, Some(id)) => Of::AccessPoint(id),
            _ => {
                let message = "Exactly one of FileSystemId, MountTargetId and AccessPointId must be specified.";
                return Err(EfsFault::BadRequest(message.to_owned()));
            }
        };
        Ok(Self { page, of })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<About, EfsFault> {
        Ok(match &self.of {
            Of::FileSystem(id) => About::Of(cx.named_file_system(id).await?),
            Of::MountTarget(id) => About::One(cx.named_mount_target(id).await?),
            Of::AccessPoint(id) => {
                let point = cx.named_access_point(id).await?;
                let of = match point.get() {
                    Ok((record, _)) => Some(cx.named_file_system(&record.file_system).await?),
                    Err(_) => None,
                };
                About::Through(point, of)
            }
        })
    }

    fn authorize(&self, about: &About, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(about.protected(), |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        about: &About,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<DescribedMountTarget>>, EfsFault> {
        let all_of = |found: &FileSystem| -> Vec<DescribedMountTarget> {
            let id = &found.record.id;
            let targets = found.volume.targets.iter();
            targets
                .map(|target| DescribedMountTarget::new(target, id, cx))
                .collect()
        };
        let (mut all, filter) = match about {
            About::Of(one) => (all_of(one.get()?), one.id.as_str()),
            About::One(one) => {
                let (found, target) = one.get()?;
                let target = DescribedMountTarget::new(target, &found.record.id, cx);
                (vec![target], one.id.as_str())
            }
            About::Through(point, of) => {
                point.get()?;
                let of = of.as_ref().map(OneFileSystem::get).transpose()?;
                (of.map(all_of).unwrap_or_default(), point.id.as_str())
            }
        };
        all.sort_by(|one, other| one.id().cmp(other.id()));
        let list = (Self::NAME, filter);
        let page = self.page.of(all, DescribedMountTarget::id, list, cx)?;
        Ok(Done::unchanged(page))
    }
}

impl Output<Efs> for Listed<DescribedMountTarget> {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out, "MountTargets", DescribedMountTarget::write);
    }
}

/// `DeleteMountTarget`: the agent is told that the file system is to be served there no longer. The mount target
/// is `deleting` until the agent says that it is not.
#[derive(Debug)]
pub struct DeleteMountTarget {
    id: String,
}

/// The mount target, and whether its agent is still there to serve it.
#[derive(Debug)]
pub struct Ending {
    one: OneMountTarget,
    has_agent: bool,
}

keyward_types::action!("elasticfilesystem": DeleteMountTarget = "elasticfilesystem:DeleteMountTarget");

impl Operation for DeleteMountTarget {
    const NAME: &'static str = "DeleteMountTarget";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("MountTargetId")];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = Ending;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::required_mount_target_id(&mut m);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Ending, EfsFault> {
        let one = cx.named_mount_target(&self.id).await?;
        let has_agent = match one.get() {
            Ok((found, _)) => {
                let path = paths::agent(cx.region, cx.account(), &found.volume.agent);
                let agent = cx.directory().rare::<AgentRecord>(&path, purpose::AGENT);
                agent.await?.is_some()
            }
            Err(_) => false,
        };
        Ok(Ending { one, has_agent })
    }

    fn authorize(&self, ending: &Ending, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(ending.one.protected(), |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        ending: &Ending,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let (found, target) = ending.one.get()?;
        let mut targets = found.volume.targets.clone();
        let mut batch = cx.batch();
        if !ending.has_agent {
            // There is no agent any more that could serve it, or report that it is not served.
            targets.retain(|other| other.id != target.id);
            for path in &target.belongings {
                batch.delete(Path::parse(path)?, Precondition::Any)?;
            }
        } else if target.state == TargetState::Deleting {
            return Ok(Done::unchanged(Empty));
        } else {
            for other in targets.iter_mut().filter(|other| other.id == target.id) {
                other.state = TargetState::Deleting;
            }
        }
        cx.put_targets(&mut batch, found, targets)?;
        Ok(Done::changed(Empty, batch))
    }
}
