//! Faults about access keys of Cloudera's protocol.

use keyward_crypto::signer::NotPublicKey;
use keyward_engine::fault::Fault;

use super::KeywardFault;

/// A fault about access keys.
#[derive(Debug)]
pub enum CdpFault {
    /// A caller that is no user, and names none.
    NotAUser,
    /// No user of that name in the caller's account.
    NoSuchUser {
        /// As it was named.
        user: String,
    },
    /// The user has no such access key.
    NoSuchKey {
        /// As it was named.
        key: String,
    },
    /// The user has as many access keys as it may.
    TooManyKeys {
        /// The user.
        user: String,
        /// How many.
        most: usize,
    },
    /// The public key is that of an access key.
    Registered,
    /// What is to verify signatures cannot.
    BadPublicKey {
        /// Why not.
        error: NotPublicKey,
    },
}

impl From<CdpFault> for KeywardFault {
    fn from(fault: CdpFault) -> Self {
        Self::Cdp(fault)
    }
}

impl From<CdpFault> for Fault {
    fn from(fault: CdpFault) -> Self {
        let (code, message) = match fault {
            CdpFault::NotAUser => {
                let message = "Access keys for the services of CDP belong to IAM users. Name one with UserName.";
                ("ValidationException", message.to_owned())
            }
            CdpFault::NoSuchUser { user } => {
                let message = format!("The user with name {user} cannot be found.");
                ("NotFoundException", message)
            }
            CdpFault::NoSuchKey { key } => {
                let message = format!("The user has no access key {key} for the services of CDP.");
                ("NotFoundException", message)
            }
            CdpFault::TooManyKeys { user, most } => {
                let message = format!(
                    "The user {user} has {most} access keys for the services of CDP, as many as a user may have. Delete one with `keyward cdp delete-access-key`."
                );
                ("LimitExceededException", message)
            }
            CdpFault::Registered => {
                let message = "The public key is that of an access key already. Each access key has a key pair of its own.";
                ("AlreadyExistsException", message.to_owned())
            }
            CdpFault::BadPublicKey { error } => (
                "ValidationException",
                format!("PublicKey is not valid: {error}."),
            ),
        };
        Self::new(code, Some(message))
    }
}
