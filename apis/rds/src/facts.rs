//! What decisions about DB instances, DB snapshots and DB subnet groups rest on beside who asks, to explain them.

use keyward_engine::{
    api::{Facts, ResourceQuestion},
    context::Context,
    directory::purpose,
};
use keyward_types::{account::AccountId, arn::ArnParts, region::Region};

use crate::{
    fault::RdsFault,
    instance,
    records::{DbInstanceRecord, DbSnapshotRecord, DbSubnetGroupRecord},
    snapshot, subnet_group,
};

/// What is stored of a resource of the caller's account.
///
/// # Errors
/// When it cannot be read.
pub async fn of(cx: &Context<'_>, asked: ResourceQuestion<'_>) -> Result<Option<Facts>, RdsFault> {
    let Some(parts) = ArnParts::parse(asked.arn) else {
        return Ok(None);
    };
    let account = AccountId::parse(parts.account).ok();
    let (Ok(region), Some(account)) = (
        Region::parse(parts.region),
        account.filter(|account| *account == cx.account()),
    ) else {
        return Ok(None);
    };
    let directory = cx.directory();
    let found = match parts.resource.split_once(':') {
        Some(("db", name)) => {
            let path = instance::path_in(cx, (region, account), name);
            let found = directory.rare::<DbInstanceRecord>(&path, purpose::DB_INSTANCE);
            found.await?.map(|(record, _)| {
                let traits = record.traits().pairs();
                ("rds:db-tag/", record.tags, traits)
            })
        }
        Some(("snapshot", name)) => {
            let path = snapshot::path_in(cx, (region, account), name);
            let found = directory.rare::<DbSnapshotRecord>(&path, purpose::DB_SNAPSHOT);
            let found = found.await?;
            found.map(|(record, _)| ("rds:snapshot-tag/", record.tags, Vec::new()))
        }
        Some(("subgrp", name)) => {
            let path = subnet_group::path_in(cx, (region, account), name);
            let found = directory.rare::<DbSubnetGroupRecord>(&path, purpose::DB_SUBNET_GROUP);
            let found = found.await?;
            found.map(|(record, _)| ("rds:subgrp-tag/", record.tags, Vec::new()))
        }
        _ => None,
    };
    Ok(found.map(|(prefix, tags, traits)| {
        let tagged = tags.iter();
        let tagged = tagged.map(|tag| (format!("{prefix}{}", tag.key), tag.value.clone()));
        let traits = traits.into_iter();
        let traits = traits.map(|(name, value)| (name.to_owned(), value));
        Facts {
            policy: None,
            generation: None,
            values: traits.chain(tagged).collect(),
            tags,
        }
    }))
}
