//! `PutBackupPolicy` and `DescribeBackupPolicy`. The file system's agent makes the backups, so they can be enabled if
//! it has a place for them (`keyward agent run --backup-to`).
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutBackupPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, structure, text},
    directory::{
        paths, purpose,
        records::{
            self,
            storage::{AgentRecord, VolumeRecord},
        },
    },
    fault::Internal,
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Efs, fault::EfsFault, file_system::OneFileSystem, on_file_system::OnFileSystem,
    records::FileSystemRecord,
};

/// The words of the model.
const STATUS: &[&str] = &["ENABLED", "ENABLING", "DISABLED", "DISABLING"];
/// What is said if backups cannot be enabled.
const NO_PLACE: &str = "Automatic backups cannot be enabled: the agent that stores the file system has no place for them. Start it with `keyward agent run --backup-to`.";

/// `PutBackupPolicy`
#[derive(Debug)]
pub struct PutBackupPolicy {
    status: &'static str,
}

/// Whether automatic backups are enabled.
#[derive(Debug)]
pub struct BackupPolicy {
    is_enabled: bool,
}

keyward_types::action!("elasticfilesystem": PutBackupPolicy = "elasticfilesystem:PutBackupPolicy");

impl OnFileSystem for PutBackupPolicy {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        structure("BackupPolicy", &[text("Status")]),
    ];
    type Output = BackupPolicy;

    fn read(m: &mut Members<'_>) -> Self {
        let status = m.structure("BackupPolicy", |policy| {
            policy.enumeration("Status", STATUS).required()
        });
        let status = status.required();
        Self { status }
    }

    fn checked(self) -> Result<Self, EfsFault> {
        if matches!(self.status, "ENABLED" | "DISABLED") {
            return Ok(self);
        }
        let message = "The status of a backup policy can be set to ENABLED or DISABLED.";
        Err(EfsFault::BadRequest(message.to_owned()))
    }

    async fn answer(
        &self,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<BackupPolicy>, EfsFault> {
        let found = one.get()?.available()?;
        let is_enabled = self.status == "ENABLED";
        let record = FileSystemRecord {
            has_backup_policy: true,
            ..found.record.clone()
        };
        let mut batch = cx.put(found, &record)?;
        if is_enabled {
            let agent = paths::agent(cx.region, cx.account(), &found.volume.agent);
            let read = cx.directory().rare::<AgentRecord>(&agent, purpose::AGENT);
            let read = read.await?.filter(|(agent, _)| agent.backs_up);
            let (_, at) = read.ok_or_else(|| EfsFault::BadRequest(NO_PLACE.to_owned()))?;
            // It must not have lost its place meanwhile.
            batch.check(agent, Precondition::At(at))?;
        }
        if found.volume.backs_up != is_enabled {
            let volume = VolumeRecord {
                backs_up: is_enabled,
                ..found.volume.clone()
            };
            let bytes = records::encode(&volume).map_err(Internal::new)?;
            let path = paths::volume(cx.region, cx.account(), &volume.id);
            let at = Precondition::At(found.volume_revision);
            batch.put(path, purpose::VOLUME, &bytes, at)?;
        }
        Ok(Done::changed(BackupPolicy { is_enabled }, batch))
    }
}

/// `DescribeBackupPolicy`
#[derive(Debug)]
pub struct DescribeBackupPolicy;

keyward_types::action!("elasticfilesystem": DescribeBackupPolicy = "elasticfilesystem:DescribeBackupPolicy");

impl OnFileSystem for DescribeBackupPolicy {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Output = BackupPolicy;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(
        &self,
        one: &OneFileSystem,
        _cx: &Cx<'_>,
    ) -> Result<Done<BackupPolicy>, EfsFault> {
        let found = one.get()?;
        if !found.record.has_backup_policy {
            return Err(EfsFault::PolicyNotFound);
        }
        let is_enabled = found.volume.backs_up;
        Ok(Done::unchanged(BackupPolicy { is_enabled }))
    }
}

impl Output<Efs> for BackupPolicy {
    fn render(&self, out: &mut Writer<'_>) {
        let status = if self.is_enabled {
            "ENABLED"
        } else {
            "DISABLED"
        };
        out.object("BackupPolicy", |policy| policy.string("Status", status));
    }
}
