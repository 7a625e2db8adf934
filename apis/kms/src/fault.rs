//! The faults of KMS: AWS's own list, each with its code, HTTP status and message.
//!
//! This is the one place where errors of the key core, of the store and of policies become
//! answers. Codes and texts follow
//! <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> and recorded answers.

use std::{borrow::Cow, fmt};

use keyward_engine::{
    fault::{Fault, Internal},
    gate::Denied,
    marker::MarkerError,
};
use keyward_keys::{ring::RingError, state::StateFault};
use keyward_store::error::LimitError;
use keyward_types::{
    grant::GrantId,
    key_spec::{EncryptionAlgorithm, KeySpec, KeyUsage},
};

/// A fault as KMS names it; the variants drop AWS's `Exception`.
#[derive(Debug)]
pub enum KmsFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// An alias of that ARN exists already.
    AliasExists {
        /// The alias's ARN.
        alias: String,
    },
    /// No alias of that ARN.
    AliasNotFound {
        /// The alias's ARN.
        alias: String,
    },
    /// An alias where only a key id or key ARN will do.
    AliasNotSupported,
    /// An alias name under `alias/aws/`.
    AliasReserved,
    /// A name that no alias can have.
    InvalidAliasName,
    /// The algorithm does not fit the key.
    AlgorithmMismatch {
        /// What was asked for.
        algorithm: EncryptionAlgorithm,
        /// What the key is.
        spec: KeySpec,
    },
    /// Something else is happening to the key.
    Conflict {
        /// What.
        message: String,
    },
    /// No custom key store of that id or name.
    CustomKeyStoreNotFound,
    /// The key is disabled.
    Disabled {
        /// The key's ARN.
        key: String,
    },
    /// The dry run would have succeeded.
    DryRunOperation,
    /// What is not a grant's id.
    InvalidGrantId,
    /// A grant token that this server did not issue.
    InvalidGrantToken,
    /// The request's key is not the ciphertext's.
    IncorrectKey,
    /// Something failed on our side; the details went to the log.
    Internal(Internal),
    /// A text that is not an ARN.
    InvalidArn {
        /// AWS's text.
        message: Cow<'static, str>,
    },
    /// The ciphertext cannot be opened: every cause looks the same.
    InvalidCiphertext,
    /// A page marker that this operation did not issue.
    InvalidMarker,
    /// The key's usage does not allow the operation.
    InvalidKeyUsage {
        /// The key's ARN.
        key: String,
        /// What the key is for.
        usage: KeyUsage,
        /// The operation called.
        operation: &'static str,
    },
    /// The key's state does not allow the operation.
    InvalidState {
        /// The key's ARN.
        key: String,
        /// The end of the sentence, such as `is pending deletion.`
        state: &'static str,
    },
    /// The key cannot be used at the moment: this node does not know the latest state.
    KeyUnavailable,
    /// No key of that ARN.
    KeyNotFound {
        /// The ARN looked for.
        key: String,
    },
    /// Something else that is not there, with AWS's sentence.
    NotFound {
        /// AWS's text.
        message: String,
    },
    /// A quota is used up.
    LimitExceeded {
        /// AWS's text.
        message: String,
    },
    /// A key policy is malformed or would lock its owner out.
    MalformedPolicyDocument {
        /// AWS's text.
        message: String,
    },
    /// Tags that cannot be.
    Tag {
        /// AWS's text.
        message: &'static str,
    },
    /// More requests than the configured rate.
    Throttling,
    /// The body is not JSON, or a member has the wrong JSON type.
    Serialization {
        /// What is wrong with it.
        message: String,
    },
    /// Keyward or the key does not support this.
    UnsupportedOperation {
        /// AWS's text, if it has one.
        message: Option<String>,
    },
    /// A parameter fails the model's constraints or a rule between parameters.
    Validation {
        /// AWS's text.
        message: String,
    },
}

impl KmsFault {
    /// No grant of that id on the key.
    pub fn grant_not_found(id: &GrantId) -> Self {
        Self::NotFound {
            message: format!("Grant ID {id} not found"),
        }
    }

    /// An ARN of a principal that does not exist.
    pub fn unknown_principal(arn: &str) -> Self {
        Self::InvalidArn {
            message: format!("ARN does not refer to a valid principal: {arn}").into(),
        }
    }

    /// What AWS KMS does and this version of Keyward does not.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        let message = format!("{what} is not supported by this version of Keyward.");
        Self::UnsupportedOperation {
            message: Some(message),
        }
    }

    /// A rule between parameters is broken.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation {
            message: message.into(),
        }
    }
}

impl From<Denied> for KmsFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<MarkerError> for KmsFault {
    fn from(error: MarkerError) -> Self {
        match error {
            MarkerError::Invalid => Self::InvalidMarker,
            MarkerError::Internal(internal) => Self::Internal(internal),
        }
    }
}

impl From<RingError> for KmsFault {
    fn from(error: RingError) -> Self {
        match error {
            RingError::State { key, fault } => {
                let key = key.to_string();
                let state = match fault {
                    StateFault::Disabled => return Self::Disabled { key },
                    StateFault::PendingDeletion => "is pending deletion.",
                    StateFault::NotPendingDeletion => "is not pending deletion.",
                    StateFault::PendingImport => "is pending import.",
                    StateFault::Unavailable => "is unavailable.",
                    StateFault::Creating => "is creating.",
                    StateFault::Updating => "is updating.",
                };
                Self::InvalidState { key, state }
            }
            RingError::Destroyed { key } => Self::KeyNotFound {
                key: key.to_string(),
            },
            RingError::Algorithm { algorithm, spec } => Self::AlgorithmMismatch { algorithm, spec },
            RingError::Ciphertext(_) => Self::InvalidCiphertext,
            RingError::OnDemandLimit { key } => Self::LimitExceeded {
                message: format!(
                    "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {key}"
                ),
            },
            RingError::MaterialLimit { key } => Self::LimitExceeded {
                message: format!("The key {key} has as many key materials as it can have."),
            },
            RingError::RotationConflict { key } => Self::Conflict {
                message: format!(
                    "An automatic rotation of {key} is in progress or about to begin."
                ),
            },
            RingError::Unsupported(what) => Self::unsupported(what),
            RingError::Unreachable => Self::KeyUnavailable,
            RingError::WrongPermit | RingError::Material(_) => Self::Internal(Internal::new(error)),
        }
    }
}

impl From<KmsFault> for Fault {
    fn from(fault: KmsFault) -> Self {
        use KmsFault as F;
        let (code, message) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDeniedException", 400),
            F::Internal(internal) => {
                return Self::internal("KMSInternalException", internal);
            }
            F::KeyUnavailable => {
                let text = "The key is temporarily unavailable. Try again later.";
                return Self::new("KeyUnavailableException", Some(text.into())).status(500);
            }
            F::AliasExists { alias } => (
                "AlreadyExistsException",
                Some(format!("An alias with the name {alias} already exists")),
            ),
            F::AliasNotFound { alias } => {
                ("NotFoundException", Some(format!("Alias {alias} is not found.")))
            }
            F::AliasNotSupported => (
                "InvalidArnException",
                Some("Key Aliases are not supported for this operation.".to_owned()),
            ),
            F::AliasReserved => ("NotAuthorizedException", None),
            F::InvalidAliasName => (
                "InvalidAliasNameException",
                Some("The specified alias name is not valid.".to_owned()),
            ),
            F::AlgorithmMismatch { algorithm, spec } => (
                "InvalidKeyUsageException",
                Some(format!("Algorithm {algorithm} is incompatible with key spec {spec}.")),
            ),
            F::Conflict { message } => ("ConflictException", Some(message)),
            F::CustomKeyStoreNotFound => ("CustomKeyStoreNotFoundException", None),
            F::Disabled { key } => ("DisabledException", Some(format!("{key} is disabled."))),
            F::DryRunOperation => (
                "DryRunOperationException",
                Some(
                    "The request would have succeeded, but the DryRun option is set.".to_owned(),
                ),
            ),
            F::InvalidGrantId => (
                "InvalidGrantIdException",
                Some("The grant ID is not valid.".to_owned()),
            ),
            F::InvalidGrantToken => (
                "InvalidGrantTokenException",
                Some("The grant token is not valid.".to_owned()),
            ),
            F::IncorrectKey => (
                "IncorrectKeyException",
                Some(
                    "The key ID in the request does not identify a CMK that can perform this operation."
                        .to_owned(),
                ),
            ),
            F::InvalidArn { message } => ("InvalidArnException", Some(message.into_owned())),
            F::InvalidCiphertext => ("InvalidCiphertextException", None),
            F::InvalidMarker => {
                ("InvalidMarkerException", Some("The marker is not valid.".to_owned()))
            }
            F::InvalidKeyUsage { key, usage, operation } => (
                "InvalidKeyUsageException",
                Some(format!("{key} key usage is {usage} which is not valid for {operation}.")),
            ),
            F::InvalidState { key, state } => {
                ("KMSInvalidStateException", Some(format!("{key} {state}")))
            }
            F::KeyNotFound { key } => {
                ("NotFoundException", Some(format!("Key '{key}' does not exist")))
            }
            F::NotFound { message } => ("NotFoundException", Some(message)),
            F::LimitExceeded { message } => ("LimitExceededException", Some(message)),
            F::MalformedPolicyDocument { message } => {
                ("MalformedPolicyDocumentException", Some(message))
            }
            F::Tag { message } => ("TagException", Some(message.to_owned())),
            F::Throttling => (
                "ThrottlingException",
                Some(
                    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
                        .to_owned(),
                ),
            ),
            F::Serialization { message } => ("SerializationException", Some(message)),
            F::UnsupportedOperation { message } => ("UnsupportedOperationException", message),
            F::Validation { message } => ("ValidationException", Some(message)),
        };
        Self::new(code, message)
    }
}

/// Something that cannot be kept: a limit of the store, which AWS's own limits stay below.
pub fn too_large(error: LimitError) -> KmsFault {
    KmsFault::Internal(Internal::new(error))
}
