//! What is kept of access keys of Cloudera's protocol. Their private keys are kept nowhere.

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use keyward_altus::KeyId;
use keyward_crypto::signer::{NotPublicKey, SignerKey};
use keyward_types::{
    account::AccountId, partition::Partition, time::Timestamp, unique_id::UniqueId,
};
use serde::{Deserialize, Serialize};

use crate::V1;

/// A stored public key that is none.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// It is not base64.
    #[error("a stored public key is not base64")]
    Text(#[from] DecodeError),
    /// It is no key.
    #[error("a stored public key cannot be read")]
    Key(#[from] NotPublicKey),
}

/// An access key, which a user has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdpAccessKeyRecord {
    /// The record's version.
    pub version: V1,
    /// Its id.
    pub id: String,
    /// The user's partition.
    pub partition: Partition,
    /// The user's account.
    pub account: AccountId,
    /// The user.
    pub user: UniqueId,
    /// What verifies its signatures, in base64: a `SubjectPublicKeyInfo` in DER, or the 32 bytes of a key of Ed25519.
    pub public_key: String,
}

/// Which access keys a user has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdpAccessKeysRecord {
    /// The record's version.
    pub version: V1,
    /// The keys, the oldest first. There is always one.
    pub keys: Vec<CdpAccessKey>,
}

/// One of a user's access keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdpAccessKey {
    /// Its id.
    pub id: String,
    /// How it signs.
    pub method: String,
    /// When it was created.
    pub created: Timestamp,
}

impl CdpAccessKeyRecord {
    /// What verifies its signatures.
    ///
    /// # Errors
    /// When the record was damaged.
    pub fn signer(&self) -> Result<SignerKey, BadKey> {
        Ok(SignerKey::parse(&STANDARD.decode(&self.public_key)?)?)
    }
}

impl CdpAccessKeysRecord {
    /// Whether it has that key.
    pub fn has(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id.as_str())
    }
}
