//! What is stored of a KMS key: one record with everything that decides about it.
//!
//! One record is one unit: a change of the policy, of a tag or of the state rewrites the whole
//! under a precondition, so that no two changes can cross. Its size is bounded: see
//! [`MAX_MATERIALS`].

use keyward_policy::record::PolicyRecord;
use keyward_types::{
    account::AccountId,
    alias::AliasName,
    key_id::{KeyArn, KeyId},
    key_spec::{KeyManager, KeySpec, KeyUsage, Origin, RotationType},
    key_state::KeyState,
    material_id::MaterialId,
    region::Region,
    tag::Tag,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::hierarchy::WrappedText;

/// The version of the record.
pub const VERSION: u8 = 2;
/// The most materials of a key: with the longest policy, tags, aliases and description the
/// record stays below the store's 256 KiB. It is a rotation every 90 days for 29 years, or every
/// year for 120.
pub const MAX_MATERIALS: usize = 120;

/// A KMS key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// The record's version, [`VERSION`].
    pub version: u8,
    /// The Region.
    pub region: Region,
    /// The account that owns the key.
    pub account: AccountId,
    /// The key's id.
    pub id: KeyId,
    /// The description, perhaps empty.
    pub description: String,
    /// What kind of material.
    pub spec: KeySpec,
    /// What for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: Origin,
    /// Who looks after it.
    pub manager: KeyManager,
    /// When it was created.
    pub created: Timestamp,
    /// Its state, with the data that belongs to it.
    pub lifecycle: Lifecycle,
    /// Its key policy.
    pub policy: PolicyRecord,
    /// Its tags, in the order they came.
    pub tags: Vec<Tag>,
    /// The names of its aliases.
    pub aliases: Vec<AliasName>,
    /// Every material, oldest first; the last is the current one. Empty once destroyed.
    pub materials: Vec<MaterialRecord>,
    /// Automatic rotation, if on.
    pub rotation: Option<RotationSchedule>,
    /// Rotations on demand so far.
    pub on_demand_rotations: u32,
    /// Whether there has ever been a grant: for keys that never had one, none are looked up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_grants: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The state of a key. What belongs to a state exists exactly in that state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "state")]
pub enum Lifecycle {
    /// Ready for use.
    Enabled {},
    /// Not usable until enabled.
    Disabled {},
    /// Not usable; destroyed at its date.
    PendingDeletion {
        /// When.
        delete_at: Timestamp,
    },
    /// Its material is gone forever, and the rest is being removed. To callers, it does not exist.
    Destroyed {
        /// When.
        at: Timestamp,
    },
}

/// One material, wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaterialRecord {
    /// Its id.
    pub id: MaterialId,
    /// The material under the domain key.
    pub wrapped: WrappedText,
    /// When it became current.
    pub since: Timestamp,
    /// What rotation brought it; `None` for the first.
    pub rotation: Option<RotationType>,
}

/// Automatic rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationSchedule {
    /// Days from one rotation to the next, 90 to 2560.
    pub period_days: u32,
    /// When the next is due.
    pub next: Timestamp,
}

/// The record is damaged or of a version that this build does not know.
#[derive(Debug, thiserror::Error)]
pub enum KeyRecordError {
    /// Not JSON of this shape.
    #[error("a key record cannot be read")]
    Malformed(#[from] serde_json::Error),
    /// A version of a later release.
    #[error("a key record has version {0}, which this version of Keyward does not know")]
    Version(u8),
}

/// What every version of a record has.
#[derive(Deserialize)]
struct VersionOnly {
    version: u8,
}

impl KeyRecord {
    /// Reads a record's bytes.
    ///
    /// # Errors
    /// When they are not a record of a known version.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyRecordError> {
        let read = serde_json::from_slice::<Self>(bytes);
        // A later version may well have other fields: then it is the version that is wrong.
        let version = match &read {
            Ok(record) => record.version,
            Err(_) => serde_json::from_slice::<VersionOnly>(bytes)?.version,
        };
        if version == VERSION {
            Ok(read?)
        } else {
            Err(KeyRecordError::Version(version))
        }
    }

    /// Writes the record's bytes.
    ///
    /// # Errors
    /// Never; the signature is the encoder's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyRecordError> {
        // Room for a key with the default policy: growing costs as much as writing.
        let mut bytes = Vec::with_capacity(1024);
        serde_json::to_writer(&mut bytes, self)?;
        Ok(bytes)
    }

    /// The key's ARN.
    pub fn arn(&self) -> KeyArn {
        KeyArn::new(self.region, self.account, self.id.clone())
    }

    /// The state on the wire; none once the key is destroyed.
    pub fn state(&self) -> Option<KeyState> {
        match self.lifecycle {
            Lifecycle::Enabled {} => Some(KeyState::Enabled),
            Lifecycle::Disabled {} => Some(KeyState::Disabled),
            Lifecycle::PendingDeletion { .. } => Some(KeyState::PendingDeletion),
            Lifecycle::Destroyed { .. } => None,
        }
    }

    /// The material that encrypts.
    pub fn current_material(&self) -> Option<&MaterialRecord> {
        self.materials.last()
    }

    /// When a worker next owes this key something.
    pub fn due(&self) -> Option<Due> {
        match (&self.lifecycle, self.rotation) {
            (Lifecycle::PendingDeletion { delete_at }, _) => Some(Due::Destruction(*delete_at)),
            (Lifecycle::Enabled {}, Some(schedule)) => Some(Due::Rotation(schedule.next)),
            (Lifecycle::Enabled {}, None)
            | (Lifecycle::Disabled {} | Lifecycle::Destroyed { .. }, _) => None,
        }
    }
}

/// What a worker owes a key, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// New material by schedule.
    Rotation(Timestamp),
    /// The end of its material.
    Destruction(Timestamp),
}

impl Due {
    /// When.
    pub fn at(self) -> Timestamp {
        match self {
            Self::Rotation(at) | Self::Destruction(at) => at,
        }
    }
}
