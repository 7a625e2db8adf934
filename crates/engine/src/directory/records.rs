//! What is stored about accounts, users and access keys, from which callers are built, and about
//! everything else that the engine reads or writes itself. What belongs to one API alone is in that API's
//! `records.rs`.
//!
//! Records are JSON with a version, unknown members refused, sealed by the store.

pub mod identity;
pub mod organization;

pub use keyward_records::{UnknownVersion, V1, cdp, copies, database, storage};

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::random;
use keyward_types::{
    account::AccountId,
    partition::Partition,
    region::Region,
    storage::AgentId,
    tag::Tag,
    time::Timestamp,
    unique_id::{AccessKeyId, UniqueId},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::identity::ManagedPolicyRef;

/// A record that is not JSON of its type, or of a version this build does not know.
#[derive(Debug, thiserror::Error)]
#[error("a record cannot be read")]
pub struct RecordError(#[source] serde_json::Error);

/// Writes a record's bytes.
///
/// # Errors
/// Never for the records of this module; the signature is the encoder's.
pub fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>, RecordError> {
    // Room for a credential with its secret, so that growing leaves no copy of it behind.
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, record).map_err(RecordError)?;
    Ok(bytes)
}

/// Reads a record's bytes.
///
/// # Errors
/// When they are not JSON of that type.
pub fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, RecordError> {
    serde_json::from_slice(bytes).map_err(RecordError)
}

/// An account and its root user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRecord {
    /// The record's version.
    pub version: V1,
    /// The account.
    pub account: AccountId,
    /// The partition it lives in.
    pub partition: Partition,
    /// When it was created.
    pub created: Timestamp,
    /// The access keys of its root user.
    pub root_access_keys: Vec<AccessKeyId>,
    /// Those of them that are inactive, as their own records say too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inactive_root_access_keys: Vec<AccessKeyId>,
    /// When its root user's credentials were last replaced from outside: temporary ones of the
    /// root user that are older count no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_replaced: Option<Timestamp>,
    /// Its name, if it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address, if it was given one; no two accounts have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// An IAM user with all that decides for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// The record's version.
    pub version: V1,
    /// `AIDA…`.
    pub id: UniqueId,
    /// The user's name.
    pub name: String,
    /// The user's path, `/` at both ends.
    pub path: String,
    /// When it was created.
    pub created: Timestamp,
    /// Its tags, in the order given.
    pub tags: Vec<Tag>,
    /// Its access keys, oldest first.
    pub access_keys: Vec<AccessKeyId>,
    /// Those of them that are inactive, as their own records say too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inactive_access_keys: Vec<AccessKeyId>,
    /// Its inline policies by name: the text as it was put.
    pub inline_policies: BTreeMap<String, String>,
    /// Its managed policies, in the order they were attached.
    pub attached_policies: Vec<ManagedPolicyRef>,
    /// Its permissions boundary.
    pub boundary: Option<ManagedPolicyRef>,
    /// The groups it is in, in the order it was added.
    pub groups: Vec<UniqueId>,
}

impl UserRecord {
    /// Its ARN.
    pub fn arn(&self, partition: Partition, account: AccountId) -> String {
        format!(
            "arn:{partition}:iam::{account}:user{}{}",
            self.path, self.name
        )
    }
}

/// Whose an access key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum AccessKeyOwner {
    /// The account's root user.
    Root,
    /// An IAM user.
    User(UniqueId),
    /// A service that acts for callers, by the name that requests to it are signed for.
    Service(String),
    /// An agent of the account, by where it stores volumes.
    Agent {
        /// The Region that it belongs to.
        region: Region,
        /// `agent-…`.
        id: AgentId,
    },
}

/// A service that was given credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRecord {
    /// The record's version.
    pub version: V1,
    /// Its name.
    pub name: String,
    /// Its access keys.
    pub access_keys: Vec<AccessKeyId>,
}

/// An access key with its secret, sealed under the purpose of credentials.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyRecord {
    /// The record's version.
    pub version: V1,
    /// The key's id.
    pub id: AccessKeyId,
    /// The owner's account.
    pub account: AccountId,
    /// The owner's partition.
    pub partition: Partition,
    /// Whose it is.
    pub owner: AccessKeyOwner,
    /// Whether it is in use (`Active`) or not (`Inactive`).
    pub active: bool,
    /// When it was created.
    pub created: Timestamp,
    /// The secret, wiped when the record is dropped.
    pub secret: SecretText,
}

/// A secret's text between a sealed record and the arena: wiped on drop, never printed.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// A new secret of an access key: 30 random bytes as 40 characters of the base64 alphabet.
    pub fn generate() -> Self {
        Self(STANDARD.encode(random::secret(30).expose()))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.0);
        drop(keyward_crypto::secret::SecretBytes::from_vec(
            text.into_bytes(),
        ));
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText")
    }
}

impl std::fmt::Debug for AccessKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKeyRecord")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The last successful use of a KMS key, which the engine notes; it decides nothing but `kms:TrailingDaysWithoutKeyUsage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastUseRecord {
    /// The record's version.
    pub version: V1,
    /// The operation, such as `Decrypt`.
    pub operation: String,
    /// When.
    pub at: Timestamp,
    /// The event on the audit trail.
    pub event_id: String,
    /// The request.
    pub request_id: String,
}
