//! The states of a KMS key as AWS names them on the wire.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>

use std::fmt;

/// `KeyMetadata.KeyState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyState {
    /// A replica that is being made.
    Creating,
    /// Ready for use.
    Enabled,
    /// Not usable until enabled.
    Disabled,
    /// Waits for material from its owner.
    PendingImport,
    /// Not usable, and destroyed when its date comes.
    PendingDeletion,
    /// A primary whose replicas must go first.
    PendingReplicaDeletion,
    /// Its custom key store is disconnected.
    Unavailable,
    /// Changes its primary Region.
    Updating,
}

impl KeyState {
    /// Every state, in the order of AWS's table.
    pub const ALL: [Self; 8] = [
        Self::Creating,
        Self::Enabled,
        Self::Disabled,
        Self::PendingImport,
        Self::PendingDeletion,
        Self::PendingReplicaDeletion,
        Self::Unavailable,
        Self::Updating,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingImport => "PendingImport",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::Unavailable => "Unavailable",
            Self::Updating => "Updating",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
