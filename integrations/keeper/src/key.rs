//! What a volume's superblock says about its data key, as these commands write it.

use std::collections::BTreeMap;

use anyhow::bail;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_types::shown::Value;
use keyward_volume::{ImageId, KeyInfo, Superblock};
use serde::{Deserialize, Serialize};

/// The name in the encryption context whose value is the volume's id.
const CONTEXT: &str = "keyward:volume:id";
/// The same for the data key of a file system of EFS, whose value is that file system's id.
const FILE_SYSTEM_CONTEXT: &str = "aws:elasticfilesystem:filesystem:id";
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
    pub fn new(volume: ImageId, ciphertext: &[u8], key_arn: String) -> Self {
        Self {
            ciphertext: STANDARD.encode(ciphertext),
            key_arn,
            context: context(volume),
        }
    }

    /// A data key that somebody else has had wrapped, in base64.
    pub const fn of(
        ciphertext: String,
        key_arn: String,
        context: BTreeMap<String, String>,
    ) -> Self {
        Self {
            ciphertext,
            key_arn,
            context,
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
pub fn context(volume: ImageId) -> BTreeMap<String, String> {
    [(CONTEXT.to_owned(), volume.to_string())].into()
}

/// The encryption context of the data key of a file system of EFS.
pub fn context_of_file_system(id: &str) -> BTreeMap<String, String> {
    [(FILE_SYSTEM_CONTEXT.to_owned(), id.to_owned())].into()
}

/// Refuses a superblock whose data key was wrapped for another volume, before KMS is asked.
///
/// # Errors
/// When it was.
pub fn check_context(superblock: &Superblock) -> anyhow::Result<()> {
    check_context_of(superblock.volume_id, &superblock.key)
}

/// As [`check_context`], of a data key that is not in the superblock yet.
///
/// # Errors
/// When it was.
pub fn check_context_of(volume: ImageId, key: &KeyInfo) -> anyhow::Result<()> {
    if key.context == context(volume) {
        return Ok(());
    }
    match key.context.get(FILE_SYSTEM_CONTEXT) {
        Some(id) if key.context.len() == 1 => bail!(
            "volume {volume} is the image of a file system of EFS ({}): the agent that has it attaches it by itself. To use a copy of it, such as from a backup, as a volume of your own, run `keyward volume rekey IMAGE --file-system {} --key-id KEY` first",
            Value(id),
            Value(id)
        ),
        _ => bail!(
            "the data key of volume {volume} was not wrapped for it: the encryption context in its superblock is another one"
        ),
    }
}
