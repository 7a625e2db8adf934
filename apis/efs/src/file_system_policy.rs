//! `PutFileSystemPolicy`, `DescribeFileSystemPolicy` and `DeleteFileSystemPolicy`: who may do what with a file
//! system, in addition to those whom identity policies allow. Clients are compared with it whenever they mount the
//! file system; without one, everybody who reaches it may do everything.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutFileSystemPolicy.html>
//!
//! Unless it is bypassed, the lockout check makes the whole decision again under the new policy: whoever puts
//! it must be able to put the next one.

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    directory::{
        paths, purpose,
        records::{
            self, V1,
            storage::{ResourcePolicyRecord, VolumeRecord},
        },
    },
    fault::Internal,
    operation::{Done, Empty, Output},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Efs,
    fault::EfsFault,
    file_system::{FileSystem, OneFileSystem},
    on_file_system::OnFileSystem,
    resource_policy::FileSystemPolicy,
};

/// The most characters of a policy.
const MAX_POLICY: usize = 20_000;
/// AWS's message for a policy that locks its author out.
const LOCKED_OUT: &str = "This policy would prevent future FileSystemPolicy updates. Retry the request with the \
                          BypassPolicyLockoutSafetyCheck parameter to apply this policy.";

/// A policy as answers show it.
#[derive(Debug)]
pub struct DescribedPolicy {
    id: String,
    policy: String,
}

/// `PutFileSystemPolicy`
#[derive(Debug)]
pub struct PutFileSystemPolicy {
    policy: String,
    bypass: bool,
}

keyward_types::action!("elasticfilesystem": PutFileSystemPolicy = "elasticfilesystem:PutFileSystemPolicy");

impl OnFileSystem for PutFileSystemPolicy {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        text("Policy"),
        boolean("BypassPolicyLockoutSafetyCheck"),
    ];
    type Output = DescribedPolicy;

    fn read(m: &mut Members<'_>) -> Self {
        let policy = m.string("Policy").length(1, MAX_POLICY).required();
        let policy = policy.to_owned();
        let bypass = m.boolean("BypassPolicyLockoutSafetyCheck").optional();
        let bypass = bypass.unwrap_or(false);
        Self { policy, bypass }
    }

    async fn answer(
        &self,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<DescribedPolicy>, EfsFault> {
        let found = one.get()?.available()?;
        // The principals in the policy are looked up only for callers who may put one.
        let policy = FileSystemPolicy::checked(&self.policy, cx).await?;
        let under_it = one.with_policy(policy.clone());
        if !self.bypass && !cx.would_allow::<Self>(&under_it, |_| ()) {
            return Err(EfsFault::InvalidPolicy(LOCKED_OUT.to_owned()));
        }
        let mut batch = cx.batch();
        let path = paths::resource_policy(cx.region, cx.account(), &found.volume.id);
        let record = ResourcePolicyRecord {
            version: V1,
            policy: policy.record().clone(),
        };
        let bytes = records::encode(&record).map_err(Internal::new)?;
        let mut belongings = found.volume.belongings.clone();
        if !belongings.iter().any(|one| *one == path.as_str()) {
            belongings.push(path.as_str().to_owned());
        }
        // Every change of it changes the volume, whose precondition is enough for both.
        batch.put(path, purpose::RESOURCE_POLICY, &bytes, Precondition::Any)?;
        cx.change_belongings(&mut batch, found, belongings)?;
        let output = DescribedPolicy {
            id: found.record.id.clone(),
            policy: policy.shown(cx).await?,
        };
        Ok(Done::changed(output, batch))
    }
}

/// `DescribeFileSystemPolicy`
#[derive(Debug)]
pub struct DescribeFileSystemPolicy;

keyward_types::action!("elasticfilesystem": DescribeFileSystemPolicy = "elasticfilesystem:DescribeFileSystemPolicy");

impl OnFileSystem for DescribeFileSystemPolicy {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Output = DescribedPolicy;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(
        &self,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<DescribedPolicy>, EfsFault> {
        let id = one.get()?.record.id.clone();
        let policy = one.policy().ok_or(EfsFault::PolicyNotFound)?;
        let policy = policy.shown(cx).await?;
        Ok(Done::unchanged(DescribedPolicy { id, policy }))
    }
}

/// `DeleteFileSystemPolicy`: AWS's default is in effect again.
#[derive(Debug)]
pub struct DeleteFileSystemPolicy;

keyward_types::action!("elasticfilesystem": DeleteFileSystemPolicy = "elasticfilesystem:DeleteFileSystemPolicy");

impl OnFileSystem for DeleteFileSystemPolicy {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Output = Empty;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Empty>, EfsFault> {
        let found: &FileSystem = one.get()?.available()?;
        if one.policy().is_none() {
            return Ok(Done::unchanged(Empty));
        }
        let volume: &VolumeRecord = &found.volume;
        let path = paths::resource_policy(cx.region, cx.account(), &volume.id);
        let mut belongings = volume.belongings.clone();
        belongings.retain(|one| *one != path.as_str());
        let mut batch = cx.batch();
        batch.delete(path, Precondition::Any)?;
        cx.change_belongings(&mut batch, found, belongings)?;
        Ok(Done::changed(Empty, batch))
    }
}

impl Output<Efs> for DescribedPolicy {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("FileSystemId", &self.id);
        out.string("Policy", &self.policy);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("fileSystemId", &self.id);
        elements.string("policy", &self.policy);
    }
}
