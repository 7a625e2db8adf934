//! `PutBackupPolicy` and `DescribeBackupPolicy`. There is nothing to back up to, so that automatic
//! backups can be disabled and not enabled.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutBackupPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, structure, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{Cx, Efs, fault::EfsFault, file_system::OneFileSystem, on_file_system::OnFileSystem};

/// The words of the model.
const STATUS: &[&str] = &["ENABLED", "ENABLING", "DISABLED", "DISABLING"];

/// `PutBackupPolicy`
#[derive(Debug)]
pub struct PutBackupPolicy {
    status: &'static str,
}

/// That automatic backups are disabled.
#[derive(Debug)]
pub struct Disabled;

keyward_types::action!("elasticfilesystem": PutBackupPolicy = "elasticfilesystem:PutBackupPolicy");

impl OnFileSystem for PutBackupPolicy {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        structure("BackupPolicy", &[text("Status")]),
    ];
    type Output = Disabled;

    fn read(m: &mut Members<'_>) -> Self {
        let status = m.structure("BackupPolicy", |policy| {
            policy.enumeration("Status", STATUS).required()
        });
        let status = status.required();
        Self { status }
    }

    fn checked(self) -> Result<Self, EfsFault> {
        let message = match self.status {
            "DISABLED" => return Ok(self),
            "ENABLED" => {
                "Automatic backups cannot be enabled: this server has nothing to back up to."
            }
            _ => "The status of a backup policy can be set to ENABLED or DISABLED.",
        };
        Err(EfsFault::BadRequest(message.to_owned()))
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Disabled>, EfsFault> {
        let found = one.get()?.available()?;
        let mut record = found.record.clone();
        record.has_backup_policy = true;
        Ok(Done::changed(Disabled, cx.put(found, &record)?))
    }
}

/// `DescribeBackupPolicy`
#[derive(Debug)]
pub struct DescribeBackupPolicy;

keyward_types::action!("elasticfilesystem": DescribeBackupPolicy = "elasticfilesystem:DescribeBackupPolicy");

impl OnFileSystem for DescribeBackupPolicy {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Output = Disabled;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(&self, one: &OneFileSystem, _cx: &Cx<'_>) -> Result<Done<Disabled>, EfsFault> {
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
