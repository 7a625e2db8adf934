//! How volumes have to do with each other: snapshots, copies of those, and what is restored from them. Part of what is kept
//! of a volume.

use keyward_types::{storage::VolumeId, time::Timestamp};
use serde::{Deserialize, Serialize};

/// How a volume has to do with others that are copies of it, or that it is a copy of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copies {
    /// What it is made from; none if it is made from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Whether it is only copied, and nothing else is done with it: a snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_rest: bool,
    /// Counts the copies that were ever to be made of it, so that whoever wants it gone meets those who want one more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wanted: u64,
    /// The copy after which it ends: its final snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<VolumeId>,
}

/// What a volume is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// A volume of the same agent.
    pub volume: VolumeId,
    /// Whether it has a data key of its own, so that every block is sealed again.
    pub reseals: bool,
    /// When its agent first said that it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Timestamp>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Copies {
    /// Whether there is nothing to keep.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Of a snapshot.
    pub fn snapshot(of: VolumeId, reseals: bool) -> Self {
        Self {
            at_rest: true,
            ..Self::restored(of, reseals)
        }
    }

    /// Of a volume that is used, and is made from another.
    pub fn restored(from: VolumeId, reseals: bool) -> Self {
        Self {
            origin: Some(Origin {
                volume: from,
                reseals,
                copied: None,
            }),
            ..Self::default()
        }
    }

    /// One more copy is to be made of it.
    #[must_use]
    pub fn one_more(&self) -> Self {
        Self {
            wanted: self.wanted.saturating_add(1),
            ..self.clone()
        }
    }
}
