//! What a volume's superblock says about its data key, as these commands write it.

use std::collections::BTreeMap;

use anyhow::bail;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_volume::{KeyInfo, Superblock, VolumeId};
use serde::{Deserialize, Serialize};

/// The name in the encryption context whose value is the volume's id.
const CONTEXT: &str = "keyward:volume:id";
/// The value of a label whose work is still to be done.
const PENDING: &str = "pending";
/// The value of a label whose work was begun, and must be repeated unless it is complete.
const BEGUN: &str = "begun";

/// What the next attaching has to do with the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Create it.
    Format,
    /// Make it as large as the volume.
    Grow,
}

impl Pending {
    const fn label(self) -> &'static str {
        match self {
            Self::Format => "keyward:volume:mkfs",
            Self::Grow => "keyward:volume:grow",
        }
    }

    /// Whether it is still to be done.
    pub fn is_in(self, key: &KeyInfo) -> bool {
        let label = key.labels.get(self.label()).map(String::as_str);
        matches!(label, Some(PENDING | BEGUN))
    }

    /// Whether it was begun, and is not complete.
    pub fn is_begun(self, key: &KeyInfo) -> bool {
        key.labels.get(self.label()).map(String::as_str) == Some(BEGUN)
    }

    /// Notes that it is begun.
    pub fn begin(self, key: &mut KeyInfo) {
        key.labels.insert(self.label().to_owned(), BEGUN.to_owned());
    }

    /// Notes that it is to be done.
    pub fn add(self, key: &mut KeyInfo) {
        key.labels
            .insert(self.label().to_owned(), PENDING.to_owned());
    }

    /// Notes that it has been done.
    pub fn remove(self, key: &mut KeyInfo) {
        key.labels.remove(self.label());
    }
}

/// A wrapped data key, as it is sent from one process to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wrapped {
    /// In base64.
    ciphertext: String,
    /// The KMS key that wraps it.
    pub key_arn: String,
    /// What unwrapping needs.
    context: BTreeMap<String, String>,
}

impl Wrapped {
    /// A data key that KMS has wrapped for the volume of an id.
    pub fn new(volume: VolumeId, ciphertext: &[u8], key_arn: String) -> Self {
        Self {
            ciphertext: STANDARD.encode(ciphertext),
            key_arn,
            context: context(volume),
        }
    }

    /// What the superblock has of it. The labels are those of another one.
    ///
    /// # Errors
    /// When it is not base64.
    pub fn info(&self, labels: &BTreeMap<String, String>) -> anyhow::Result<KeyInfo> {
        Ok(KeyInfo {
            wrapped: STANDARD.decode(&self.ciphertext)?,
            key_arn: self.key_arn.clone(),
            context: self.context.clone(),
            labels: labels.clone(),
        })
    }
}

/// The encryption context of a volume's data key.
pub fn context(volume: VolumeId) -> BTreeMap<String, String> {
    [(CONTEXT.to_owned(), volume.to_string())].into()
}

/// Refuses a superblock whose data key was wrapped for another volume, before KMS is asked.
///
/// # Errors
/// When it was.
pub fn check_context(superblock: &Superblock) -> anyhow::Result<()> {
    if superblock.key.context != context(superblock.volume_id) {
        bail!(
            "the data key of volume {} was not wrapped for it: the encryption context in its superblock is another one",
            superblock.volume_id
        );
    }
    Ok(())
}
