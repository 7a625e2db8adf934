//! What is kept of file systems. Their volumes have records of their own, see
//! `keyward_engine::directory::records::storage`.

use keyward_engine::directory::records::V1;
use keyward_types::{tag::Tag, time::Timestamp};
use serde::{Deserialize, Serialize};

/// A file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSystemRecord {
    /// The record's version.
    pub version: V1,
    /// `fs-…`.
    pub id: String,
    /// What its creation is idempotent by.
    pub token: String,
    /// When it was created.
    pub created: Timestamp,
    /// `generalPurpose` or `maxIO`.
    pub performance_mode: String,
    /// Its throughput.
    pub throughput: Throughput,
    /// When its throughput was last decreased, or its mode changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_changed: Option<Timestamp>,
    /// The zone of a One Zone file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// The ARN of its KMS key, if it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its lifecycle policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifecycle: Vec<LifecyclePolicy>,
    /// Whether it was given a backup policy. Its volume says whether that enables backups.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_backup_policy: bool,
    /// Whether a replication may overwrite it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_overwritable: bool,
}

/// Which file system a mount target belongs to, whose records have everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountTargetRecord {
    /// The record's version.
    pub version: V1,
    /// The file system.
    pub file_system: String,
}

impl FileSystemRecord {
    /// What its owner calls it: the value of the tag `Name`.
    pub fn name(&self) -> Option<&str> {
        let tag = self.tags.iter().find(|tag| tag.key == "Name");
        tag.map(|tag| tag.value.as_str())
    }
}

/// The throughput of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "mode")]
pub enum Throughput {
    /// As its size allows.
    Bursting,
    /// As much as requested.
    Elastic,
    /// So much.
    Provisioned {
        /// In MiB a second.
        mibps: f64,
    },
}

impl Throughput {
    /// The mode, as AWS calls it.
    pub fn mode(self) -> &'static str {
        match self {
            Self::Bursting => "bursting",
            Self::Elastic => "elastic",
            Self::Provisioned { .. } => "provisioned",
        }
    }

    /// What is provisioned, in MiB a second.
    pub fn mibps(self) -> Option<f64> {
        match self {
            Self::Bursting | Self::Elastic => None,
            Self::Provisioned { mibps } => Some(mibps),
        }
    }
}

/// A transition of files that are not used, or used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifecyclePolicy {
    /// The member of AWS's model.
    pub transition: String,
    /// When.
    pub after: String,
}

/// An access point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPointRecord {
    /// The record's version.
    pub version: V1,
    /// `fsap-…`.
    pub id: String,
    /// What its creation is idempotent by.
    pub token: String,
    /// The file system that it leads into.
    pub file_system: String,
    /// When it was created.
    pub created: Timestamp,
    /// The user of everybody who uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posix_user: Option<PosixUser>,
    /// Its root directory.
    pub path: String,
    /// How its root directory is created, if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_info: Option<CreationInfo>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A user of POSIX.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PosixUser {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its other groups.
    pub secondary_gids: Vec<u32>,
}

/// How a directory is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreationInfo {
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions, in octal digits.
    pub permissions: String,
}

/// Which file system or access point was created with a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreationTokenRecord {
    /// The record's version.
    pub version: V1,
    /// Its id.
    pub id: String,
}
