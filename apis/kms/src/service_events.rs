//! What the system itself does to a key, as the audit trail tells it.

use keyward_engine::{audit::service_event, fault::Internal};
use keyward_keys::record::KeyRecord;
use keyward_store::sealed::SealedBatch;
use keyward_types::{key_spec::RotationType, time::Timestamp};
use keyward_wire::json::Writer;

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
    let arn = key.arn();
    let named = (name, "kms.amazonaws.com");
    let place = (key.region, key.account, arn.as_str());
    service_event::put(batch, named, place, now, details)
}

/// Adds the `RotateKey` event of a key that has new material.
///
/// # Errors
/// When the batch has no room for it.
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
