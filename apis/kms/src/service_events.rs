//! What the system itself does to a key, as the audit trail tells it.

use keyward_engine::audit::service_event::ServiceEvent;
use keyward_keys::record::KeyRecord;
use keyward_types::key_spec::RotationType;

/// The event of what is done to a key.
fn of(
    name: &'static str,
    key: &KeyRecord,
    details: impl IntoIterator<Item = (&'static str, String)>,
) -> ServiceEvent {
    let arn = key.arn().to_string();
    ServiceEvent {
        name,
        source: "kms.amazonaws.com",
        region: key.region,
        account: key.account,
        details: [("keyId", arn.clone())]
            .into_iter()
            .chain(details)
            .collect(),
        arn,
    }
}

/// The `DeleteKey` event of a key that is destroyed.
pub fn destruction(key: &KeyRecord) -> ServiceEvent {
    of("DeleteKey", key, [])
}

/// The `RotateKey` event of a key that has new material.
pub fn rotation(before: &KeyRecord, after: &KeyRecord, kind: RotationType) -> ServiceEvent {
    let material = |key: &KeyRecord| {
        let current = key.current_material().map(|material| material.id);
        current.map(|id| id.to_string()).unwrap_or_default()
    };
    let details = [
        ("rotationType", kind.as_str().to_owned()),
        ("keyOrigin", after.origin.as_str().to_owned()),
        ("previousKeyMaterialId", material(before)),
        ("currentKeyMaterialId", material(after)),
    ];
    of("RotateKey", after, details)
}
