//! `PutBackupPolicy` and `DescribeBackupPolicy`. There is nothing to back up to, so that automatic
//! backups can be disabled and not enabled.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutBackupPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, structure, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Efs, fault::EfsFault, file_system::OneFileSystem, members};

/// The words of the model.
const STATUS: &[&str] = &["ENABLED", "ENABLING", "DISABLED", "DISABLING"];

/// `PutBackupPolicy`
#[derive(Debug)]
pub struct PutBackupPolicy {
    id: String,
}

/// That automatic backups are disabled.
#[derive(Debug)]
pub struct Disabled;

keyward_types::action!("elasticfilesystem": PutBackupPolicy = "elasticfilesystem:PutBackupPolicy");

impl Operation for PutBackupPolicy {
    const NAME: &'static str = "PutBackupPolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        structure("BackupPolicy", &[text("Status")]),
    ];
    type Api = Efs;
    type Output = Disabled;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        let status = m.structure("BackupPolicy", |policy| {
            policy.enumeration("Status", STATUS).required()
        });
        let status = status.required();
        m.finish()?;
        let message = match status {
            "DISABLED" => return Ok(Self { id }),
            "ENABLED" => {
                "Automatic backups cannot be enabled: this server has nothing to back up to."
            }
            _ => "The status of a backup policy can be set to ENABLED or DISABLED.",
        };
        Err(EfsFault::BadRequest(message.to_owned()))
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Disabled>, EfsFault> {
        let found = one.get()?.available()?;
        let mut record = found.record.clone();
        record.has_backup_policy = true;
        Ok(Done::changed(Disabled, cx.put(found, &record)?))
    }
}

/// `DescribeBackupPolicy`
#[derive(Debug)]
pub struct DescribeBackupPolicy {
    id: String,
}

keyward_types::action!("elasticfilesystem": DescribeBackupPolicy = "elasticfilesystem:DescribeBackupPolicy");

impl Operation for DescribeBackupPolicy {
    const NAME: &'static str = "DescribeBackupPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Api = Efs;
    type Output = Disabled;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        _cx: &Cx<'_>,
    ) -> Result<Done<Disabled>, EfsFault> {
        if one.get()?.record.has_backup_policy {
            return Ok(Done::unchanged(Disabled));
        }
        Err(EfsFault::PolicyNotFound)
    }
}

impl Output<Efs> for Disabled {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("BackupPolicy", |policy| policy.string("Status", "DISABLED"));
    }
}
