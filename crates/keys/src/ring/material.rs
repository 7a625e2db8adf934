//! Making material.

use keyward_crypto::random;
use keyward_types::{
    key_id::KeyArn, key_spec::RotationType, material_id::MaterialId, time::Timestamp,
};

use crate::{
    hierarchy::{DomainKey, WrappedText},
    key::material_subject,
    record::MaterialRecord,
};

/// 256 random bits, wrapped for this key.
pub(super) fn generate(
    domain: &DomainKey,
    arn: &KeyArn,
    now: Timestamp,
    rotation: Option<RotationType>,
) -> Option<MaterialRecord> {
    let material = random::secret(32);
    let id = MaterialId::from_bytes(domain.material_id(arn.id().as_str(), &material));
    let wrapped = domain.wrap(&material_subject(arn, id), &material)?;
    Some(MaterialRecord {
        id,
        wrapped: WrappedText(wrapped),
        since: now,
        rotation,
    })
}
