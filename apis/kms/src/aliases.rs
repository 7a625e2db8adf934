//! What the alias operations share: the alias's record in a batch.

use keyward_engine::{
    directory::{
        purpose,
        records::{self, V1},
    },
    fault::Internal,
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{alias::AliasName, arn::ArnParts, key_id::KeyId, time::Timestamp};

use crate::{
    Cx,
    fault::{KmsFault, too_large},
    paths,
    records::AliasRecord,
    units::AliasUnit,
};

/// Refuses an alias as the target of an alias.
///
/// # Errors
/// `ValidationException`.
pub fn refuse_alias_as_target(target: &str) -> Result<(), KmsFault> {
    let resource = ArnParts::parse(target).map_or(target, |arn| arn.resource);
    if resource.starts_with("alias/") {
        return Err(KmsFault::validation(
            "Aliases must refer to keys. Not aliases",
        ));
    }
    Ok(())
}

/// The record of an alias made now.
pub fn new_alias(name: &AliasName, target: &KeyId, now: Timestamp) -> AliasRecord {
    AliasRecord {
        version: V1,
        name: name.clone(),
        target: target.clone(),
        created: now,
        updated: now,
    }
}

/// Writes an alias, new or over the one that was read.
///
/// # Errors
/// Never for names that were parsed.
pub fn put_alias(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    old: Option<&AliasUnit>,
    alias: &AliasRecord,
) -> Result<(), KmsFault> {
    let internal =
        |error: &dyn std::fmt::Display| KmsFault::Internal(Internal::new(error.to_string()));
    let hash = cx.state().alias_hash(cx.region, cx.account(), &alias.name);
    let path = paths::alias(cx.region, cx.account(), &hash);
    let bytes = records::encode(alias).map_err(|error| internal(&error))?;
    let precondition = old.map_or(Precondition::Absent, |old| Precondition::At(old.revision));
    batch
        .put(path, purpose::ALIAS, &bytes, precondition)
        .map_err(too_large)?;
    Ok(())
}

/// Deletes the alias that was read.
///
/// # Errors
/// Never for names that were parsed.
pub fn delete_alias(cx: &Cx<'_>, batch: &mut SealedBatch, old: &AliasUnit) -> Result<(), KmsFault> {
    let hash = cx
        .state()
        .alias_hash(cx.region, cx.account(), &old.record.name);
    let path = paths::alias(cx.region, cx.account(), &hash);
    batch
        .delete(path, Precondition::At(old.revision))
        .map_err(too_large)
}
