//! Which DB instances and DB snapshots a KMS key protects.

use keyward_engine::{
    context::Context,
    dependents::{Backups, Dependent, Dependents, FoundState, ResourceState},
    directory::{
        paths, purpose,
        records::{database::DatabaseRecord, storage::VolumeRecord},
    },
};
use keyward_types::{account::AccountId, arn::ArnParts, key_id::KeyArn, region::Region};

use crate::{
    instance::{self, Instance},
    records::{DbInstanceRecord, DbSnapshotRecord},
    snapshot,
};

/// The DB instances and DB snapshots of a key's account and Region that are encrypted under it, instances that are being
/// deleted too.
pub fn of<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
    Box::pin(async move {
        let (region, account, named) = (key.region(), key.account(), key.to_string());
        let prefix = paths::below_scoped(region, account, [instance::KIND]);
        let directory = cx.directory();
        let all = directory.every::<DbInstanceRecord>(&prefix, purpose::DB_INSTANCE);
        let mut all = all.await?;
        all.retain(|one| one.key.as_ref() == Some(&named));
        let shown = |one: DbInstanceRecord| Dependent {
            arn: instance::arn(region, account, &one.name),
            kind: "AWS::RDS::DBInstance",
            name: Some(one.name),
            backups: Backups::Unknown,
        };
        let prefix = paths::below_scoped(region, account, [snapshot::KIND]);
        let snapshots = directory.every::<DbSnapshotRecord>(&prefix, purpose::DB_SNAPSHOT);
        let mut snapshots = snapshots.await?;
        snapshots.retain(|one| one.key.as_ref() == Some(&named));
        let snapshot = |one: DbSnapshotRecord| Dependent {
            arn: snapshot::arn(region, account, &one.name),
            kind: "AWS::RDS::DBSnapshot",
            name: Some(one.name),
            backups: Backups::Unknown,
        };
        let snapshots = snapshots.into_iter().map(snapshot);
        Ok(all.into_iter().map(shown).chain(snapshots).collect())
    })
}

/// The state of a DB instance of the caller's account.
pub fn state_of<'c>(cx: &'c Context<'_>, arn: &'c str) -> FoundState<'c> {
    Box::pin(async move {
        let Some((home, name)) = own(cx, arn) else {
            return Ok(None);
        };
        let directory = cx.directory();
        let path = instance::path_in(cx, home, name);
        let record = directory.rare::<DbInstanceRecord>(&path, purpose::DB_INSTANCE);
        let Some((record, revision)) = record.await? else {
            return Ok(None);
        };
        let path = paths::volume(home.0, home.1, &record.id);
        let volume = directory.rare::<VolumeRecord>(&path, purpose::VOLUME);
        Ok(volume.await?.map(|(volume, volume_revision)| {
            let found = Instance {
                record,
                revision,
                volume,
                volume_revision,
            };
            let key = found.volume.key.as_ref();
            let further = key
                .map(|key| key.further_grants.as_slice())
                .unwrap_or_default();
            let address =
                |database: &DatabaseRecord| format!("{}:{}", database.address, database.port);
            ResourceState {
                state: found.status(cx.now).to_owned(),
                key: found.record.key.clone(),
                grants: key
                    .map(|key| &key.grant)
                    .into_iter()
                    .chain(further)
                    .cloned()
                    .collect(),
                parts: Vec::new(),
                addresses: found
                    .volume
                    .database
                    .as_deref()
                    .map(address)
                    .into_iter()
                    .collect(),
            }
        }))
    })
}

/// Where a DB instance of the caller's account is, and its name.
fn own<'a>(cx: &Context<'_>, arn: &'a str) -> Option<((Region, AccountId), &'a str)> {
    let parts = ArnParts::parse(arn)?;
    let region = Region::parse(parts.region).ok()?;
    let name = parts.resource.strip_prefix("db:")?;
    Some(((region, cx.account()), name))
}
