//! Faults that are made in several places.

use std::net::IpAddr;

use keyward_api_kms::fault::KmsFault;
use keyward_types::storage::{AgentId, VolumeId};
use keyward_wire::sigv4::AuthError;

use super::KeywardFault;

impl KeywardFault {
    /// There are as many of these as there may be.
    pub const fn limit(most: usize, what: &'static str) -> Self {
        Self::LimitExceeded { most, what }
    }

    /// A client's certificate that cannot be believed.
    pub fn client(message: &str) -> Self {
        let message = message.to_owned();
        Self::BadClient { message }
    }

    /// The same refusal that a stranger at that address received a short time ago.
    pub fn repeated(self, address: IpAddr) -> Self {
        let fault = Box::new(self);
        Self::Repeated { fault, address }
    }

    /// A client's certificate whose signature cannot be authenticated.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub fn from_client(error: AuthError) -> Self {
        let fault = error.json();
        let reason = fault.message.unwrap_or(fault.code);
        Self::client(&format!("The client's certificate proves nobody: {reason}"))
    }

    /// A volume occurs twice in a report.
    pub fn twice(volume: &VolumeId) -> Self {
        let message = format!("{volume} must not occur twice in a report.");
        Self::Kms(KmsFault::validation(message))
    }

    /// A report of something that is not wanted.
    pub fn unwanted(volume: &VolumeId, state: &str, wanted: &str) -> Self {
        let message = format!("{volume} cannot be {state}: it is wanted {wanted}.");
        Self::Kms(KmsFault::validation(message))
    }

    /// A volume that is still to be made from another, or from which another is.
    pub fn being_copied(volume: &VolumeId) -> Self {
        Self::Conflict(format!(
            "A snapshot is being made of {volume}, or {volume} is being made from a snapshot. Wait until that is done, or delete what is being made."
        ))
    }

    /// A snapshot, and an agent that makes none.
    pub fn no_copies(volume: &VolumeId, agent: &AgentId) -> Self {
        Self::Conflict(format!(
            "{volume} is a snapshot, and agent {agent} is of a version that has no snapshots. Update it; it says so when it asks again."
        ))
    }

    /// A snapshot that nobody makes anything from.
    pub fn at_rest(volume: &VolumeId) -> Self {
        let message = format!("{volume} is a snapshot, and no volume is being made from it.");
        Self::Kms(KmsFault::validation(message))
    }

    /// A volume that has no key, or is being deleted.
    pub fn nothing_to_open(volume: &VolumeId) -> Self {
        let message = format!("{volume} is not encrypted, or is to be gone.");
        Self::Kms(KmsFault::validation(message))
    }
}
