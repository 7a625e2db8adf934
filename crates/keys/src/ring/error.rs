//! Why the ring refuses.

use std::fmt;

use keyward_types::{
    key_id::KeyArn,
    key_spec::{EncryptionAlgorithm, KeySpec, Origin},
};

use crate::{
    backend::BackendError, ciphertext_blob::BlobError, key::MaterialError, state::StateFault,
};

/// Why the ring refuses.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The permit is for another key, or the duty no longer exists: a bug, or a race that a worker
    /// lost, never a fault of the caller.
    #[error("a permit for another resource was presented")]
    WrongPermit,
    /// The key's state does not allow it.
    #[error("the state of the key does not allow it")]
    State {
        /// The key.
        key: KeyArn,
        /// Why.
        fault: StateFault,
    },
    /// The key is destroyed: as good as absent.
    #[error("the key is destroyed")]
    Destroyed {
        /// The key.
        key: KeyArn,
    },
    /// The algorithm does not fit the key.
    #[error("the algorithm does not match the key")]
    Algorithm {
        /// What was asked for.
        algorithm: EncryptionAlgorithm,
        /// What the key is.
        spec: KeySpec,
    },
    /// The ciphertext does not open.
    #[error(transparent)]
    Ciphertext(#[from] BlobError),
    /// Rotations on demand are used up.
    #[error("rotations on demand are used up")]
    OnDemandLimit {
        /// The key.
        key: KeyArn,
    },
    /// The key has as many materials as a record can hold.
    #[error("the key has as many materials as it can have")]
    MaterialLimit {
        /// The key.
        key: KeyArn,
    },
    /// An automatic rotation is due within 20 minutes.
    #[error("an automatic rotation is about to happen")]
    RotationConflict {
        /// The key.
        key: KeyArn,
    },
    /// The key's material cannot be opened: damage or lack of room on our side.
    #[error("the key's material cannot be used")]
    Material(#[source] MaterialError),
    /// No backend of this server has keys like that.
    #[error("{0} is not supported")]
    Unsupported(Unsupported),
    /// The holder of the key's material cannot be reached.
    #[error("the key's backend cannot be reached")]
    Unreachable,
}

/// What AWS creates and this ring does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// Keys outside of this server's store.
    CustomKeyStore,
    /// Keys of a spec.
    Spec(KeySpec),
    /// Keys whose material comes from elsewhere.
    Origin(Origin),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CustomKeyStore => f.write_str("A custom key store"),
            Self::Spec(spec) => write!(f, "KeySpec {spec}"),
            Self::Origin(origin) => write!(f, "Origin {origin}"),
        }
    }
}

impl From<MaterialError> for RingError {
    fn from(error: MaterialError) -> Self {
        match error {
            // A blob that names a material the key never had is a damaged blob to its holder.
            MaterialError::Absent => Self::Ciphertext(BlobError),
            MaterialError::Damaged | MaterialError::ArenaFull(_) => Self::Material(error),
        }
    }
}

impl From<BackendError> for RingError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Ciphertext(error) => error.into(),
            BackendError::Material(error) => error.into(),
            BackendError::Unreachable => Self::Unreachable,
        }
    }
}
