//! `KeyMetadata`: what CreateKey and DescribeKey say of a key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>

use keyward_keys::record::{KeyRecord, Lifecycle};
use keyward_types::{key_id::KeyArn, key_spec::KeyUsage, key_state::KeyState};
use keyward_wire::json::Writer;

/// Writes the members, the ARN being at hand.
pub fn describe(record: &KeyRecord, arn: &KeyArn, out: &mut Writer<'_>) {
    let state = record.state().unwrap_or(KeyState::PendingDeletion);
    out.string("AWSAccountId", record.account.as_str());
    out.string("KeyId", record.id.as_str());
    out.string("Arn", arn.as_str());
    out.timestamp("CreationDate", record.created);
    out.boolean("Enabled", state == KeyState::Enabled);
    out.string("Description", &record.description);
    out.string("KeyUsage", record.usage.as_str());
    out.string("KeyState", state.as_str());
    if let Lifecycle::PendingDeletion { delete_at } = record.lifecycle {
        out.timestamp("DeletionDate", delete_at);
    }
    out.string("Origin", record.origin.as_str());
    out.string("KeyManager", record.manager.as_str());
    out.string("CustomerMasterKeySpec", record.spec.as_str());
    out.string("KeySpec", record.spec.as_str());
    if record.usage == KeyUsage::EncryptDecrypt {
        out.strings("EncryptionAlgorithms", encryption_algorithms(record));
    }
    out.boolean("MultiRegion", false);
    if let Some(material) = record.current_material() {
        out.hexadecimal("CurrentKeyMaterialId", material.id.as_bytes());
    }
}

/// Writes what the audit trail says of a new key: the same members as the audit trail names them.
pub fn describe_in_event(record: &KeyRecord, arn: &KeyArn, out: &mut Writer<'_>) {
    let state = record.state().unwrap_or(KeyState::PendingDeletion);
    out.string("aWSAccountId", record.account.as_str());
    out.string("keyId", record.id.as_str());
    out.string("arn", arn.as_str());
    out.string("creationDate", &record.created.in_words());
    out.boolean("enabled", state == KeyState::Enabled);
    out.string("description", &record.description);
    out.string("keyUsage", record.usage.as_str());
    out.string("keyState", state.as_str());
    out.string("origin", record.origin.as_str());
    out.string("keyManager", record.manager.as_str());
    out.string("customerMasterKeySpec", record.spec.as_str());
    out.string("keySpec", record.spec.as_str());
    if record.usage == KeyUsage::EncryptDecrypt {
        out.strings("encryptionAlgorithms", encryption_algorithms(record));
    }
    out.boolean("multiRegion", false);
    if let Some(material) = record.current_material() {
        out.hexadecimal("currentKeyMaterialId", material.id.as_bytes());
    }
}

fn encryption_algorithms(record: &KeyRecord) -> impl Iterator<Item = &'static str> {
    let algorithms = record.spec.encryption_algorithms().iter();
    algorithms.map(|algorithm| algorithm.as_str())
}
