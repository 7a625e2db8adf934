//! The records that lead from a name or a unique id to what has it.

use keyward_engine::directory::{
    identities::NameKind,
    purpose,
    records::{
        self, V1,
        identity::{NameRecord, PrincipalIdRecord},
    },
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::unique_id::UniqueId;

use crate::{Cx, fault::IamFault, paths};

/// Takes a name that is free.
///
/// # Errors
/// When the batch is full.
pub fn take(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (kind, name, id): (NameKind, &str, &UniqueId),
) -> Result<(), IamFault> {
    put(cx, batch, (kind, name, id), Precondition::Absent)
}

/// Gives a name back.
///
/// # Errors
/// When the batch is full.
pub fn free(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (kind, name): (NameKind, &str),
) -> Result<(), IamFault> {
    let path = cx.directory().name_path(kind, cx.caller.home(), name);
    batch.delete(path, Precondition::Any)?;
    Ok(())
}

/// Renames something; the new name must be free or differ from the old one only in case.
///
/// # Errors
/// When the batch is full.
pub fn change(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (kind, id): (NameKind, &UniqueId),
    (old, new): (&str, &str),
) -> Result<(), IamFault> {
    if old.to_lowercase() == new.to_lowercase() {
        return put(cx, batch, (kind, new, id), Precondition::Any);
    }
    free(cx, batch, (kind, old))?;
    take(cx, batch, (kind, new, id))
}

fn put(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (kind, name, id): (NameKind, &str, &UniqueId),
    precondition: Precondition,
) -> Result<(), IamFault> {
    let leads = NameRecord {
        version: V1,
        id: id.clone(),
        name: name.to_owned(),
    };
    let path = cx.directory().name_path(kind, cx.caller.home(), name);
    batch.put(
        path,
        kind.purpose(),
        &records::encode(&leads)?,
        precondition,
    )?;
    Ok(())
}

/// Records which user or role has a unique id, for policies that name it by that.
///
/// # Errors
/// When the batch is full.
pub fn put_principal_id(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    id: &UniqueId,
) -> Result<(), IamFault> {
    let (partition, account) = cx.caller.home();
    let lives = PrincipalIdRecord {
        version: V1,
        partition,
        account,
    };
    let path = paths::principal_id(id);
    let bytes = records::encode(&lives)?;
    batch.put(path, purpose::PRINCIPAL_ID, &bytes, Precondition::Absent)?;
    Ok(())
}
