//! What is kept of DB instances, DB snapshots and DB subnet groups. The volume of an instance, with its database, and
//! that of a snapshot have records of their own, see `keyward_engine::directory::records::{storage, database}`.

use keyward_engine::directory::records::{V1, database::PasswordVerifier};
use keyward_types::{storage::VolumeId, tag::Tag, time::Timestamp};
use serde::{Deserialize, Serialize};

use crate::{members, protected::Traits};

/// A DB instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DbInstanceRecord {
    /// The record's version.
    pub version: V1,
    /// What its owner calls it, in small letters.
    pub name: String,
    /// `db-…`.
    pub id: VolumeId,
    /// When it was created.
    pub created: Timestamp,
    /// Such as `db.t3.micro`.
    pub class: String,
    /// Its storage in GiB.
    pub storage: u32,
    /// `gp2`, `gp3` or `standard`.
    pub storage_type: String,
    /// The name of the database that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The ARN of its KMS key, if it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The group of its subnet.
    pub subnet_group: String,
    /// The subnet that its address is in.
    pub subnet: String,
    /// The subnet's virtual private cloud, when it was created.
    pub vpc: String,
    /// The subnet's Availability Zone, when it was created.
    pub zone: String,
    /// The security groups that let clients in.
    pub groups: Vec<String>,
    /// When backups would be made.
    pub backup_window: String,
    /// When it would be maintained.
    pub maintenance_window: String,
    /// Whether it may not be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_protected: bool,
    /// Whether its snapshots have its tags.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copies_tags: bool,
    /// What was said of small upgrades.
    pub upgrades: bool,
    /// What was said of access from elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_public: bool,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl DbInstanceRecord {
    /// What policies may ask of it.
    pub fn traits(&self) -> Traits {
        Traits {
            class: Some(self.class.clone()),
            database: self.database.clone(),
            encrypted: Some(self.key.is_some()),
            storage: Some(self.storage),
            request_tags: Vec::new(),
        }
    }

    /// The tags of a snapshot of it: those that are asked for, and its own of other keys, if its snapshots have them.
    pub fn tags_of_snapshot(&self, asked: &[Tag]) -> Vec<Tag> {
        let own = self.tags.iter().filter(|_| self.copies_tags);
        members::merged(own, asked)
    }
}

/// A DB snapshot: what its instance was like, to be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DbSnapshotRecord {
    /// The record's version.
    pub version: V1,
    /// What its owner calls it, in small letters.
    pub name: String,
    /// The id of its volume: `snap-…`.
    pub id: VolumeId,
    /// When it was asked for.
    pub created: Timestamp,
    /// When the first of which it is a copy was, or it itself.
    pub original: Timestamp,
    /// The ARN of the snapshot that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The ARN of its KMS key, if it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its instance.
    pub instance: Snapped,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A DB instance as it was when a snapshot of it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapped {
    /// Its name.
    pub name: String,
    /// `db-…`.
    pub id: VolumeId,
    /// When it was created.
    pub created: Timestamp,
    /// Such as `db.t3.micro`.
    pub class: String,
    /// The version of its engine.
    pub engine_version: String,
    /// Its storage in GiB.
    pub storage: u32,
    /// `gp2`, `gp3` or `standard`.
    pub storage_type: String,
    /// The name of the database that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Its port.
    pub port: u16,
    /// The master user.
    pub master: String,
    /// That user's password.
    pub verifier: PasswordVerifier,
    /// Its virtual private cloud.
    pub vpc: String,
    /// Its Availability Zone.
    pub zone: String,
}

/// A DB subnet group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DbSubnetGroupRecord {
    /// The record's version.
    pub version: V1,
    /// What its owner calls it, in small letters.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// Its virtual private cloud.
    pub vpc: String,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}
