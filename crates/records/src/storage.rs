//! What is kept of agents, which store volumes on other machines, and of those volumes.
//!
//! An agent belongs to an account and a Region, and stores volumes of that account there.

use std::{collections::BTreeMap, net::Ipv4Addr};

use keyward_crypto::mac;
use keyward_policy::record::PolicyRecord;
use keyward_types::{
    storage::{AgentId, AgentTokenId, VolumeId},
    time::Timestamp,
    unique_id::AccessKeyId,
};
use serde::{Deserialize, Serialize};

use crate::{
    V1,
    copies::{Copies, Origin},
    database::{DatabaseRecord, Happened, InstalledEngine},
};

/// A token by which one agent may register. It may do so again, with another access key, until it has called:
/// an answer may be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTokenRecord {
    /// The record's version.
    pub version: V1,
    /// `token-…`.
    pub id: AgentTokenId,
    /// SHA-256 of its secret, in hexadecimal digits. The secret has 256 bits of its own.
    pub hash: String,
    /// When it was created.
    pub created: Timestamp,
    /// From when on it is good for nothing.
    pub expires: Timestamp,
    /// The name of the agent that it is for.
    pub name: String,
    /// The agent that registered with it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// How often it did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub registrations: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl AgentTokenRecord {
    /// Whether it is valid at that time for an agent that has the secret with that hash.
    pub fn is_good(&self, hash: &str, at: Timestamp) -> bool {
        mac::equal(self.hash.as_bytes(), hash.as_bytes()) && at < self.expires
    }
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRecord {
    /// The record's version.
    pub version: V1,
    /// `agent-…`.
    pub id: AgentId,
    /// What the operator calls it.
    pub name: String,
    /// When it registered.
    pub created: Timestamp,
    /// What it signs with.
    pub access_keys: Vec<AccessKeyId>,
    /// The token that it registered with, until its first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<AgentTokenId>,
    /// When it first called after it had registered. One that never did may never have heard of its access
    /// key, and is given no volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Timestamp>,
    /// Whether it has a place for backups, as it last said.
    #[serde(default, skip_serializing_if = "is_not")]
    pub backs_up: bool,
    /// The database engines that its machine has, as it last said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<InstalledEngine>,
    /// The certificate of the authority that signs for its databases, in PEM, as it last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_authority: Option<String>,
    /// Whether it can make volumes from others, as it last said.
    #[serde(default, skip_serializing_if = "is_not")]
    pub copies: bool,
}

/// The records that end with every volume. They always fit the batch of a report that it is gone; what a volume
/// has beside them, a worker ends afterwards if it does not.
pub const MOST_BELONGINGS: usize = 2;

/// A volume, as it should be and as its agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRecord {
    /// The record's version.
    pub version: V1,
    /// The id of the resource that it holds.
    pub id: VolumeId,
    /// The service that it belongs to, by the name that requests to it are signed for.
    pub service: String,
    /// The agent that stores it.
    pub agent: AgentId,
    /// When it was created.
    pub created: Timestamp,
    /// Counts the changes of what is wanted: an agent's report is about one of them.
    pub generation: u64,
    /// What is wanted.
    pub wanted: Wanted,
    /// Its data key, if it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<VolumeKey>,
    /// Whether its agent has ever reported that it exists: then it may have data, and is never created
    /// again.
    #[serde(default, skip_serializing_if = "is_not")]
    pub made: bool,
    /// The agent that last had it available: the newest image is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_on: Option<AgentId>,
    /// What the agent last said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
    /// The ARN of the resource, for which the service calls.
    pub source: String,
    /// The paths of the records that end with it, once the agent says that it is gone.
    pub belongings: Vec<String>,
    /// Where its agent serves it to clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetRecord>,
    /// Counts the changes of who may use it: its agent asks again about the clients that it has.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub authorization: u64,
    /// Whether its agent is to back it up.
    #[serde(default, skip_serializing_if = "is_not")]
    pub backs_up: bool,
    /// What its agent last said of its backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupReport>,
    /// How many bytes it is to hold, if that is given. It only grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The database on it, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Box<DatabaseRecord>>,
    /// The newest generation of its image that an agent has reported, if it is encrypted: an image that is older is an
    /// old copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_generation: Option<u64>,
    /// Of which volume it is a copy, and whether there are copies of it.
    #[serde(default, skip_serializing_if = "Copies::is_none")]
    pub copies: Copies,
}

/// What an agent said of the backups of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupReport {
    /// When it last tried.
    pub tried: Timestamp,
    /// The moment that the newest one is of, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The generation of its image, if it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why the last attempt failed, for the operator; `None` if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether somebody has made the last attempt by hand, so that it does not depend on what is wanted.
    #[serde(default, skip_serializing_if = "is_not")]
    pub by_hand: bool,
}

impl BackupReport {
    /// What is known now, after this report, and was before it. Whoever owns the place of the backups may show the agent fewer
    /// and older ones: the newest that has ever been told stays known. So a moment that is still to come is taken as now,
    /// also if it is known already: it would stay for ever.
    #[must_use]
    pub fn after(self, before: Option<&Self>, now: Timestamp) -> Self {
        let has_been = |at: Option<Timestamp>| at.map(|at| at.min(now));
        Self {
            tried: self.tried.min(now),
            at: has_been(self.at).max(has_been(before.and_then(|before| before.at))),
            generation: self
                .generation
                .max(before.and_then(|before| before.generation)),
            ..self
        }
    }
}

/// The first number of a count.
pub const fn first() -> u64 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_first(count: &u64) -> bool {
    *count == first()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

/// An address at which an agent serves a volume: a mount target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    /// `fsmt-…`.
    pub id: String,
    /// The subnet that the address is in.
    pub subnet: String,
    /// The subnet's virtual private cloud, when the target was made.
    pub vpc: String,
    /// The subnet's Availability Zone, when it was made.
    pub zone: String,
    /// The address.
    pub address: Ipv4Addr,
    /// What AWS calls the interface that has the address.
    pub interface: String,
    /// The security groups that let clients in.
    pub groups: Vec<String>,
    /// Whether the agent serves it.
    pub state: TargetState,
    /// The paths of the records that end with it.
    pub belongings: Vec<String>,
}

/// The state of a mount target, as its agent says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    /// The agent has not said so yet.
    Creating,
    /// The agent serves it.
    Available,
    /// The agent cannot serve it.
    Error,
    /// It is to be served no longer.
    Deleting,
}

impl TargetState {
    /// `LifeCycleState`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Error => "error",
            Self::Deleting => "deleting",
        }
    }
}

/// The policy of the resource that a volume holds: it ends with the volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourcePolicyRecord {
    /// The record's version.
    pub version: V1,
    /// The policy.
    pub policy: PolicyRecord,
}

/// What is wanted of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// That it is there.
    Present,
    /// That it is gone.
    Absent,
}

/// The data key of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeKey {
    /// The ARN of the KMS key that wraps it.
    pub key: String,
    /// The wrapped key, in base64.
    pub ciphertext: String,
    /// The encryption context that it was wrapped with.
    pub context: BTreeMap<String, String>,
    /// The grant that lets the service unwrap it.
    pub grant: String,
    /// The service that unwraps it, if that is not the one that the volume belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<String>,
    /// Further grants that the service has on the key for it. Nobody is given the data key unless all are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_grants: Vec<String>,
}

impl VolumeKey {
    /// All grants that the service has for it.
    pub fn grants(&self) -> impl Iterator<Item = &str> {
        let further = self.further_grants.iter().map(String::as_str);
        std::iter::once(self.grant.as_str()).chain(further)
    }
}

/// That an address of a subnet is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressRecord {
    /// The record's version.
    pub version: V1,
    /// The address.
    pub address: Ipv4Addr,
    /// What has it: the id of a mount target or of a database.
    #[serde(rename = "mount_target")]
    pub user: String,
}

/// What an agent said of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// Of which generation.
    pub generation: u64,
    /// What it is.
    pub state: VolumeState,
    /// When.
    pub at: Timestamp,
    /// The bytes that it takes, if the agent said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What went wrong, for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The state of a volume on its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeState {
    /// It can be used.
    Ready,
    /// It could not be created as wanted.
    Failed,
    /// It is gone, but what ends with it is not yet.
    Gone,
}

impl VolumeRecord {
    /// Whether its agent said that it is gone. For the agent, there is none then.
    pub fn is_gone(&self) -> bool {
        let reported = self.reported.as_ref();
        let gone = reported.is_some_and(|reported| reported.state == VolumeState::Gone);
        self.wanted == Wanted::Absent && gone
    }

    /// Whether its agent has ever said that it is there.
    pub fn was_made(&self) -> bool {
        let reported = self.reported.as_ref();
        self.made || reported.is_some_and(|reported| reported.state == VolumeState::Ready)
    }

    /// What its agent last said of its backups, if the last attempt has failed. What the schedule could not do counts only
    /// as long as it is to do it.
    pub fn failed_backup(&self) -> Option<&BackupReport> {
        let backup = self.backup.as_ref();
        backup.filter(|backup| backup.failure.is_some() && (self.backs_up || backup.by_hand))
    }

    /// What its agent last said of it, if it is to be there and is not as it is wanted.
    pub fn failure(&self) -> Option<&Reported> {
        let reported = self.reported.as_ref();
        let reported = reported.filter(|reported| reported.state == VolumeState::Failed);
        reported.filter(|_| self.wanted == Wanted::Present)
    }

    /// What it is still to be made from; none if it is there, or is made from nothing.
    pub fn unmade_copy(&self) -> Option<&Origin> {
        let origin = self.copies.origin.as_ref();
        origin.filter(|_| self.wanted == Wanted::Present && !self.was_made())
    }

    /// Whether it is still to be made from that volume.
    pub fn is_made_from(&self, volume: &VolumeId) -> bool {
        let origin = self.unmade_copy();
        origin.is_some_and(|origin| origin.volume == *volume)
    }

    /// The same volume, which is to be gone from now on, with the database on it.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Self {
        let mut ended = Self {
            wanted: Wanted::Absent,
            generation: self.generation.saturating_add(1),
            reported: None,
            ..self.clone()
        };
        // One that waits for its last copy was told of already.
        let is_told = self.wanted == Wanted::Absent || self.copies.last.is_some();
        if let Some(database) = &mut ended.database {
            database.running = false;
            if !is_told {
                database.happened(now, Happened::Deleting);
            }
        }
        ended
    }

    /// Whether it is there, as its agent says, and is to be there.
    pub fn is_ready(&self) -> bool {
        let reported = self.reported.as_ref();
        let ready = reported.is_some_and(|reported| reported.state == VolumeState::Ready);
        self.wanted == Wanted::Present && ready
    }
}
