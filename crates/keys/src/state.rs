//! Which operation a key's state allows: AWS's table, row by row.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html#key-state-table>

use keyward_types::key_state::KeyState;

/// Why a state does not allow an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFault {
    /// `DisabledException … is disabled.`
    Disabled,
    /// `KMSInvalidStateException … is pending deletion.`
    PendingDeletion,
    /// `KMSInvalidStateException … is not pending deletion.`
    NotPendingDeletion,
    /// `KMSInvalidStateException … is pending import.`
    PendingImport,
    /// `KMSInvalidStateException … is unavailable.`
    Unavailable,
    /// `KMSInvalidStateException … is creating.`
    Creating,
    /// `KMSInvalidStateException … is updating.`
    Updating,
}

/// The operations that the table has and this version serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatefulOperation {
    /// `CancelKeyDeletion`
    CancelKeyDeletion,
    /// `CreateAlias`, and the destination of `UpdateAlias`
    CreateAlias,
    /// `CreateGrant`
    CreateGrant,
    /// Encryption and decryption of every kind
    Cryptography,
    /// What every state allows: `DescribeKey`, `DeleteAlias`, `GetKeyPolicy`, `PutKeyPolicy`,
    /// `GetKeyRotationStatus`, `ListKeyRotations`, `GetKeyLastUsage`, `RetireGrant`, `RevokeGrant`
    /// and the lists
    Always,
    /// `DisableKey` and `EnableKey`
    EnableDisable,
    /// `DisableKeyRotation`, `EnableKeyRotation` and `RotateKeyOnDemand`
    Rotate,
    /// `ScheduleKeyDeletion`
    ScheduleKeyDeletion,
    /// `TagResource`, `UntagResource` and `UpdateKeyDescription`
    Tag,
}

impl StatefulOperation {
    /// Every row.
    pub const ALL: [Self; 9] = [
        Self::CancelKeyDeletion,
        Self::CreateAlias,
        Self::CreateGrant,
        Self::Cryptography,
        Self::Always,
        Self::EnableDisable,
        Self::Rotate,
        Self::ScheduleKeyDeletion,
        Self::Tag,
    ];

    /// Whether the state allows the operation.
    ///
    /// # Errors
    /// The fault of AWS's table.
    pub fn check(self, state: KeyState) -> Result<(), StateFault> {
        use KeyState as S;
        use StateFault as F;
        let fault = match (self, state) {
            (Self::Always, _) => None,

            (Self::CancelKeyDeletion, S::PendingDeletion | S::PendingReplicaDeletion) => None,
            (
                Self::CancelKeyDeletion,
                S::Enabled
                | S::Disabled
                | S::PendingImport
                | S::Unavailable
                | S::Creating
                | S::Updating,
            ) => Some(F::NotPendingDeletion),

            (_, S::PendingDeletion | S::PendingReplicaDeletion) => Some(F::PendingDeletion),

            (Self::CreateAlias | Self::Tag, _) => None,

            (Self::ScheduleKeyDeletion, S::Updating) => Some(F::Updating),
            (Self::ScheduleKeyDeletion, _) => None,

            (Self::EnableDisable, S::Enabled | S::Disabled | S::Unavailable) => None,
            (Self::EnableDisable, S::PendingImport) => Some(F::PendingImport),
            (Self::EnableDisable, S::Creating) => Some(F::Creating),
            (Self::EnableDisable, S::Updating) => Some(F::Updating),

            (Self::CreateGrant, S::Unavailable) => None,
            (Self::CreateGrant | Self::Cryptography | Self::Rotate, S::Enabled | S::Updating) => {
                None
            }
            (Self::CreateGrant | Self::Cryptography | Self::Rotate, S::Disabled) => {
                Some(F::Disabled)
            }
            (Self::CreateGrant | Self::Cryptography | Self::Rotate, S::PendingImport) => {
                Some(F::PendingImport)
            }
            (Self::Cryptography | Self::Rotate, S::Unavailable) => Some(F::Unavailable),
            (Self::CreateGrant | Self::Cryptography | Self::Rotate, S::Creating) => {
                Some(F::Creating)
            }
        };
        fault.map_or(Ok(()), Err)
    }
}
