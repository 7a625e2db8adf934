//! What is kept of agents, of the volumes that they store, of databases on those, and of access keys of Cloudera's
//! protocol: records that several APIs share. The engine reads and writes them with those of its own.
//!
//! Records are JSON with a version, unknown members refused, sealed by the store.
#![forbid(unsafe_code)]

pub mod cdp;
pub mod copies;
pub mod database;
pub mod storage;

use serde::{Deserialize, Serialize};

/// The version that every record begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct V1;

/// A version that this build does not know.
#[derive(Debug, thiserror::Error)]
#[error("record version {0} is not known to this version of Keyward")]
pub struct UnknownVersion(u8);

impl TryFrom<u8> for V1 {
    type Error = UnknownVersion;
    fn try_from(version: u8) -> Result<Self, UnknownVersion> {
        if version == 1 {
            Ok(Self)
        } else {
            Err(UnknownVersion(version))
        }
    }
}

impl From<V1> for u8 {
    fn from(_: V1) -> u8 {
        1
    }
}
