//! Service events: what the system itself did to a key, written into the batch that does it.

use keyward_keys::record::KeyRecord;
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{key_spec::RotationType, time::Timestamp};
use keyward_wire::json::Writer;

use crate::{
    audit::event,
    directory::{paths, purpose},
    fault::Internal,
};

/// Adds the event of what this batch does to a key.
///
/// # Errors
/// When the batch has no room for it.
pub fn put(
    batch: &mut SealedBatch,
    name: &str,
    key: &KeyRecord,
    now: Timestamp,
    details: impl FnOnce(&mut Writer<'_>),
) -> Result<(), Internal> {
    let event_id = uuid::Builder::from_random_bytes(keyward_crypto::random::array())
        .into_uuid()
        .to_string();
    let changes: Vec<event::Changed> = batch
        .written()
        .iter()
        .map(|(path, generation)| (path.as_str().to_owned(), *generation))
        .collect();
    let line = event::render_service_event(
        (name, "kms.amazonaws.com"),
        (key.region, key.account.as_str(), Some(key.arn().as_str())),
        (now, &event_id),
        details,
        &changes,
    );
    let path = paths::outbox(now, &event_id).map_err(Internal::new)?;
    batch
        .put(path, purpose::OUTBOX, &line, Precondition::Absent)
        .map_err(Internal::new)?;
    Ok(())
}

/// Adds the `RotateKey` event of a key that has new material.
///
/// # Errors
/// As [`put`].
pub fn put_rotation(
    batch: &mut SealedBatch,
    (before, after): (&KeyRecord, &KeyRecord),
    kind: RotationType,
    now: Timestamp,
) -> Result<(), Internal> {
    let material = |key: &KeyRecord| {
        let current = key.current_material().map(|material| material.id);
        current.map(|id| id.to_string()).unwrap_or_default()
    };
    put(batch, "RotateKey", after, now, |details| {
        details.string("keyId", after.arn().as_str());
        details.string("rotationType", kind.as_str());
        details.string("keyOrigin", after.origin.as_str());
        details.string("previousKeyMaterialId", &material(before));
        details.string("currentKeyMaterialId", &material(after));
    })
}
