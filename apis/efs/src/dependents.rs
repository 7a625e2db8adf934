//! Which file systems a KMS key protects.

use std::collections::HashMap;

use keyward_engine::{
    context::Context,
    dependents::{Backups, Dependent, Dependents, FoundState, ResourceState},
    directory::{
        paths, purpose,
        records::storage::{AgentRecord, BackupReport, TargetRecord, VolumeRecord},
    },
};
use keyward_types::{
    account::AccountId, arn::ArnParts, key_id::KeyArn, region::Region, storage::VolumeId,
};

use crate::{
    file_system::{self, FileSystem, KIND, arn},
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

/// The state of a file system of the caller's account.
pub fn state_of<'c>(cx: &'c Context<'_>, arn: &'c str) -> FoundState<'c> {
    Box::pin(async move {
        let Some((home, id)) = own(cx, arn) else {
            return Ok(None);
        };
        let Ok(path) = file_system::path_in(home, id.as_str()) else {
            return Ok(None);
        };
        let directory = cx.directory();
        let record = directory.rare::<FileSystemRecord>(&path, purpose::FILE_SYSTEM);
        let Some((record, revision)) = record.await? else {
            return Ok(None);
        };
        let path = paths::volume(home.0, home.1, &id);
        let volume = directory.rare::<VolumeRecord>(&path, purpose::VOLUME);
        let Some((volume, volume_revision)) = volume.await? else {
            return Ok(None);
        };
        let path = paths::agent(home.0, home.1, &volume.agent);
        let agent = directory.rare::<AgentRecord>(&path, purpose::AGENT);
        let found = FileSystem {
            record,
            revision,
            has_agent: agent.await?.is_some(),
            volume,
            volume_revision,
        };
        let (targets, key) = (&found.volume.targets, &found.volume.key);
        let part = |target: &TargetRecord| (target.id.clone(), target.state.as_str().to_owned());
        Ok(Some(ResourceState {
            state: found.state().to_owned(),
            key: found.record.key.clone(),
            grants: key.iter().map(|key| key.grant.clone()).collect(),
            parts: targets.iter().map(part).collect(),
            addresses: targets
                .iter()
                .map(|target| target.address.to_string())
                .collect(),
        }))
    })
}

/// Where a file system of the caller's account is, and its id.
fn own(cx: &Context<'_>, arn: &str) -> Option<((Region, AccountId), VolumeId)> {
    let parts = ArnParts::parse(arn)?;
    let region = Region::parse(parts.region).ok()?;
    let id = parts.resource.strip_prefix("file-system/")?;
    Some(((region, cx.account()), VolumeId::parse(id).ok()?))
}

/// What an agent has reported about backups.
fn backups(told: Option<&BackupReport>) -> Backups {
    match told.and_then(|told| Some((told.at?, told.generation))) {
        Some((at, generation)) => Backups::Newest { at, generation },
        None => Backups::Unknown,
    }
}
