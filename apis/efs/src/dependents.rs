//! Which file systems a KMS key protects.

use std::collections::HashMap;

use keyward_engine::{
    context::Context,
    dependents::{Backups, Dependent, Dependents},
    directory::{
        paths, purpose,
        records::storage::{BackupReport, VolumeRecord},
    },
};
use keyward_types::{key_id::KeyArn, storage::VolumeId};

use crate::{
    file_system::{KIND, arn},
    records::FileSystemRecord,
};

/// The file systems of a key's account and Region that are encrypted under it, those that are being deleted too.
pub fn of<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
    Box::pin(async move {
        let (region, account, named) = (key.region(), key.account(), key.to_string());
        let prefix = paths::below_scoped(region, account, [KIND]);
        let all = cx
            .directory()
            .every::<FileSystemRecord>(&prefix, purpose::FILE_SYSTEM);
        let mut all = all.await?;
        all.retain(|one| one.key.as_ref() == Some(&named));
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let prefix = paths::volumes(region, account);
        let volumes = cx
            .directory()
            .every::<VolumeRecord>(&prefix, purpose::VOLUME);
        let volumes: HashMap<_, _> = volumes
            .await?
            .into_iter()
            .map(|volume| (volume.id, volume.backup))
            .collect();
        let shown = |one: FileSystemRecord| {
            let told = VolumeId::parse(&one.id).ok();
            let told = told.and_then(|id| volumes.get(&id)).cloned().flatten();
            Dependent {
                arn: arn(region, account, &one.id),
                kind: "AWS::EFS::FileSystem",
                name: one.name().map(str::to_owned),
                backups: backups(told.as_ref()),
            }
        };
        Ok(all.into_iter().map(shown).collect())
    })
}

/// What an agent has reported about backups.
fn backups(told: Option<&BackupReport>) -> Backups {
    match told.and_then(|told| Some((told.at?, told.generation))) {
        Some((at, generation)) => Backups::Newest { at, generation },
        None => Backups::Unknown,
    }
}
