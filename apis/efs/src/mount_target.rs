//! Mount targets as requests see them: addresses at which the agent of a file system serves it. A file system's
//! volume has all of them; the record of each id leads to it.

use keyward_engine::{
    context::Context,
    directory::{
        paths, purpose,
        records::{
            self,
            storage::{TargetRecord, TargetState, VolumeRecord},
        },
    },
    fault::Internal,
    operation::Output,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
    sealed::SealedBatch,
};
use keyward_types::{account::AccountId, vpc::zone_id};
use keyward_wire::json::Writer;

use crate::{
    Cx, Efs,
    fault::EfsFault,
    file_system::{AnyFileSystem, FileSystem, OneFileSystem},
    records::MountTargetRecord,
};

/// The path segment for mount targets.
const KIND: Segment<'static> = Segment::word("mount-target");
/// The most security groups of a mount target.
pub const MAX_GROUPS: usize = 5;

/// Where it is kept to which file system a mount target belongs.
///
/// # Errors
/// When the id is not a segment of a path.
pub fn path(cx: &Context<'_>, id: &str) -> Result<Path, EfsFault> {
    Ok(paths::of_kind(cx.region, cx.account(), KIND, id)?)
}

/// A mount target that a request names, which may not be there.
#[derive(Clone, Debug)]
pub struct OneMountTarget {
    /// Its id.
    pub id: String,
    file_system: Option<OneFileSystem>,
    any: AnyFileSystem,
}

impl OneMountTarget {
    /// What a permit is requested for: the mount target has no ARN, so its file system decides.
    pub fn protected(&self) -> &dyn keyward_engine::gate::protected::Protected {
        match &self.file_system {
            Some(file_system) => file_system,
            None => &self.any,
        }
    }

    /// The mount target with its file system.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self) -> Result<(&FileSystem, &TargetRecord), EfsFault> {
        let found = self.file_system.as_ref().and_then(|one| one.get().ok());
        let found = found.and_then(|found| {
            let mut targets = found.volume.targets.iter();
            Some((found, targets.find(|target| target.id == self.id)?))
        });
        found.ok_or_else(|| EfsFault::MountTargetNotFound {
            id: self.id.clone(),
        })
    }

    /// The mount target, if it is not being deleted.
    ///
    /// # Errors
    /// If it is, or is not there.
    pub fn staying(&self) -> Result<(&FileSystem, &TargetRecord), EfsFault> {
        let (found, target) = self.get()?;
        if target.state == TargetState::Deleting {
            let id = self.id.clone();
            return Err(EfsFault::IncorrectMountTargetState { id });
        }
        Ok((found, target))
    }
}

impl Cx<'_> {
    /// A mount target that a request names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named_mount_target(&self, id: &str) -> Result<OneMountTarget, EfsFault> {
        let path = path(self, id)?;
        let directory = self.directory();
        let found = directory.rare::<MountTargetRecord>(&path, purpose::MOUNT_TARGET);
        let file_system = match found.await? {
            Some((record, _)) => Some(self.named_file_system(&record.file_system).await?),
            None => None,
        };
        Ok(OneMountTarget {
            id: id.to_owned(),
            file_system,
            any: AnyFileSystem::of(self),
        })
    }

    /// Has a file system have these mount targets.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put_targets(
        &self,
        batch: &mut SealedBatch,
        file_system: &FileSystem,
        targets: Vec<TargetRecord>,
    ) -> Result<(), EfsFault> {
        let volume = VolumeRecord {
            targets,
            ..file_system.volume.clone()
        };
        let bytes = records::encode(&volume).map_err(Internal::new)?;
        let path = paths::volume(self.region, self.account(), &volume.id);
        let at = Precondition::At(file_system.volume_revision);
        batch.put(path, purpose::VOLUME, &bytes, at)?;
        Ok(())
    }

    /// The security groups that a request asks for in a virtual private cloud.
    ///
    /// # Errors
    /// If there are too many, or one is not there.
    pub fn checked_groups(&self, groups: &[String], vpc: &str) -> Result<Vec<String>, EfsFault> {
        if groups.len() > MAX_GROUPS {
            return Err(EfsFault::SecurityGroupLimitExceeded { most: MAX_GROUPS });
        }
        let mut checked: Vec<String> = Vec::with_capacity(groups.len());
        for group in groups {
            if !self.state().vpcs.has_group(vpc, group) {
                return Err(EfsFault::SecurityGroupNotFound {
                    group: group.clone(),
                    vpc: vpc.to_owned(),
                });
            }
            if !checked.contains(group) {
                checked.push(group.clone());
            }
        }
        Ok(checked)
    }
}

/// A mount target as answers show it.
#[derive(Clone, Debug)]
pub struct DescribedMountTarget {
    target: TargetRecord,
    file_system: String,
    account: AccountId,
}

impl DescribedMountTarget {
    /// A mount target of a file system of the caller's account and Region.
    pub fn new(target: &TargetRecord, file_system: &str, cx: &Context<'_>) -> Self {
        Self {
            target: target.clone(),
            file_system: file_system.to_owned(),
            account: cx.account(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.target.id
    }

    /// Writes it.
    pub fn write(&self, out: &mut Writer<'_>) {
        let target = &self.target;
        out.string("OwnerId", self.account.as_str());
        out.string("MountTargetId", &target.id);
        out.string("FileSystemId", &self.file_system);
        out.string("SubnetId", &target.subnet);
        out.string("LifeCycleState", target.state.as_str());
        out.string("IpAddress", &target.address.to_string());
        out.string("NetworkInterfaceId", &target.interface);
        if let Some(id) = zone_id(&target.zone) {
            out.string("AvailabilityZoneId", &id);
        }
        out.string("AvailabilityZoneName", &target.zone);
        out.string("VpcId", &target.vpc);
    }
}

impl Output<Efs> for DescribedMountTarget {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        let target = &self.target;
        elements.string("ownerId", self.account.as_str());
        elements.string("mountTargetId", &target.id);
        elements.string("fileSystemId", &self.file_system);
        elements.string("subnetId", &target.subnet);
        elements.string("lifeCycleState", target.state.as_str());
        elements.string("ipAddress", &target.address.to_string());
        elements.string("networkInterfaceId", &target.interface);
        if let Some(id) = zone_id(&target.zone) {
            elements.string("availabilityZoneId", &id);
        }
        elements.string("availabilityZoneName", &target.zone);
        elements.string("vpcId", &target.vpc);
    }
}
