//! The faults of EFS: those of AWS's model, each with its code, HTTP status and message.
//!
//! The model has none for KMS: a key that cannot be used is a `BadRequest`. Its text was seen once, with
//! the code of KMS at its end: `The request was rejected because the specified key could not be found.
//! [error=NotFoundException]`. All refusals of KMS have that form here, with the message of KMS. What
//! EFS says if KMS denies the caller is not known: here it is what KMS says, with the status of a
//! denial.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_CreateFileSystem.html#API_CreateFileSystem_Errors>

use keyward_engine::{
    directory::ReadError,
    fault::{Fault, Internal},
    forward::NotDone,
    gate::Denied,
    marker::MarkerError,
    request::Told,
};
use keyward_store::{error::LimitError, path::PathError};
use keyward_wire::json::{Rejected, Writer};

/// A fault of EFS.
#[derive(Debug)]
pub enum EfsFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// The members do not match the model.
    Rejected(Rejected),
    /// A rule of EFS's own is broken.
    BadRequest(String),
    /// The client token was used before.
    AccessPointAlreadyExists {
        /// The access point that was created with it.
        id: String,
    },
    /// The file system has as many access points as it may.
    AccessPointLimitExceeded,
    /// No access point of that id.
    AccessPointNotFound {
        /// As it was named.
        id: String,
    },
    /// The Availability Zone of the mount target is not that of the file system.
    AvailabilityZonesMismatch,
    /// The creation token was used before.
    FileSystemAlreadyExists {
        /// The file system that was created with it.
        id: String,
        /// The token.
        token: String,
    },
    /// No file system of that id.
    FileSystemNotFound {
        /// As it was named.
        id: String,
    },
    /// The file system has mount targets.
    FileSystemInUse {
        /// Its id.
        id: String,
    },
    /// The account has as many file systems as it may.
    FileSystemLimitExceeded,
    /// The file system is being created or deleted.
    IncorrectFileSystemLifeCycleState {
        /// Its id.
        id: String,
        /// Its state.
        state: &'static str,
    },
    /// The mount target is being deleted.
    IncorrectMountTargetState {
        /// Its id.
        id: String,
    },
    /// The text is not a policy of a file system, or one that locks its author out.
    InvalidPolicy(String),
    /// The address is in use in the subnet.
    IpAddressInUse {
        /// The address.
        address: String,
    },
    /// The mount target does not go together with those of the file system.
    MountTargetConflict(&'static str),
    /// No mount target of that id.
    MountTargetNotFound {
        /// As it was named.
        id: String,
    },
    /// No address of the subnet is free.
    NoFreeAddressesInSubnet {
        /// The subnet.
        subnet: String,
    },
    /// The file system was given no such policy.
    PolicyNotFound,
    /// No replication has that file system.
    ReplicationNotFound,
    /// More security groups than a mount target may have.
    SecurityGroupLimitExceeded {
        /// How many it may have.
        most: usize,
    },
    /// No security group of that id in the subnet's virtual private cloud.
    SecurityGroupNotFound {
        /// As it was named.
        group: String,
        /// The virtual private cloud.
        vpc: String,
    },
    /// No subnet of that id.
    SubnetNotFound {
        /// As it was named.
        subnet: String,
    },
    /// The throughput was changed less than a day ago.
    TooManyRequests,
    /// There is no such Availability Zone.
    UnsupportedAvailabilityZone {
        /// As it was named.
        zone: String,
    },
    /// KMS refused a call.
    Kms(Told),
    /// No agent stores volumes.
    NoAgent {
        /// The account.
        account: String,
        /// The Region.
        region: String,
    },
    /// Something failed on our side.
    Internal(Internal),
}

/// The faults that AWS's layers before EFS answer, which have no `ErrorCode`.
const BEFORE: [&str; 7] = [
    "AccessDeniedException",
    "MalformedHttpRequestException",
    "RequestEntityTooLargeException",
    "SerializationException",
    "UnknownOperationException",
    "UnsupportedOperationException",
    "ValidationException",
];

/// The body of a fault.
pub fn render(fault: &Fault) -> Vec<u8> {
    if BEFORE.contains(&fault.code()) {
        return fault.to_wire().rest();
    }
    Writer::render(256, |out| {
        out.string("ErrorCode", fault.code());
        if let Some(message) = fault.message() {
            out.string("Message", message);
        }
        if let Some((member, value)) = fault.named() {
            out.string(member, value);
        }
    })
}

impl From<Denied> for EfsFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<Rejected> for EfsFault {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Internal> for EfsFault {
    fn from(internal: Internal) -> Self {
        Self::Internal(internal)
    }
}

impl From<ReadError> for EfsFault {
    fn from(error: ReadError) -> Self {
        Internal::new(error).into()
    }
}

impl From<PathError> for EfsFault {
    fn from(error: PathError) -> Self {
        Internal::new(error).into()
    }
}

impl From<LimitError> for EfsFault {
    fn from(error: LimitError) -> Self {
        Internal::new(error).into()
    }
}

impl From<MarkerError> for EfsFault {
    fn from(error: MarkerError) -> Self {
        match error {
            MarkerError::Invalid => Self::BadRequest("The marker is not valid.".to_owned()),
            MarkerError::Internal(internal) => internal.into(),
        }
    }
}

impl From<NotDone> for EfsFault {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Refused(told) => Self::Kms(told),
            NotDone::Failed(internal) => internal.into(),
        }
    }
}

impl From<EfsFault> for Fault {
    fn from(fault: EfsFault) -> Self {
        use EfsFault as F;
        let (code, status, message) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDeniedException", 403),
            F::Rejected(rejected) => {
                let wire = keyward_wire::fault::Fault::from(&rejected);
                return Self::of_wire(wire, "ValidationException");
            }
            F::Internal(internal) => return Self::internal("InternalServerError", internal),
            F::FileSystemAlreadyExists { id, token } => {
                let message =
                    format!("File system '{id}' already exists with creation token '{token}'");
                let fault = Self::new("FileSystemAlreadyExists", Some(message));
                return fault.status(409).naming("FileSystemId", id);
            }
            F::Kms(Told {
                code: "AccessDeniedException",
                message,
            }) => {
                let fault = Self::new("AccessDeniedException", message).status(403);
                return fault.audited_as("AccessDenied");
            }
            F::Kms(Told { code, message }) => {
                let message = message.unwrap_or_else(|| "KMS refused the request.".to_owned());
                ("BadRequest", 400, format!("{message} [error={code}]"))
            }
            F::AccessPointAlreadyExists { id } => {
                let message = format!("Access point '{id}' already exists with that client token.");
                let fault = Self::new("AccessPointAlreadyExists", Some(message));
                return fault.status(409).naming("AccessPointId", id);
            }
            F::AccessPointLimitExceeded => {
                let message = "The maximum number of access points of the file system is reached.";
                ("AccessPointLimitExceeded", 403, message.to_owned())
            }
            F::AccessPointNotFound { id } => {
                let message = format!("Access point '{id}' does not exist.");
                ("AccessPointNotFound", 404, message)
            }
            F::BadRequest(message) => ("BadRequest", 400, message),
            F::FileSystemNotFound { id } => {
                let message = format!("File system '{id}' does not exist.");
                ("FileSystemNotFound", 404, message)
            }
            F::FileSystemLimitExceeded => {
                let message =
                    "The maximum number of file systems of the account in this Region is reached.";
                ("FileSystemLimitExceeded", 403, message.to_owned())
            }
            F::AvailabilityZonesMismatch => {
                let message = "The mount target must be in the Availability Zone of the One Zone file system.";
                ("AvailabilityZonesMismatch", 400, message.to_owned())
            }
            F::FileSystemInUse { id } => {
                let message = format!(
                    "The file system '{id}' cannot be deleted because it has mount targets. You must delete the mount targets, and then try again."
                );
                ("FileSystemInUse", 409, message)
            }
            F::IncorrectMountTargetState { id } => {
                let message = format!("The mount target '{id}' is being deleted.");
                ("IncorrectMountTargetState", 409, message)
            }
            F::InvalidPolicy(message) => ("InvalidPolicyException", 400, message),
            F::IpAddressInUse { address } => {
                let message = format!("The address {address} is in use in the subnet.");
                ("IpAddressInUse", 409, message)
            }
            F::MountTargetConflict(message) => ("MountTargetConflict", 409, message.to_owned()),
            F::MountTargetNotFound { id } => {
                let message = format!("Mount target '{id}' does not exist.");
                ("MountTargetNotFound", 404, message)
            }
            F::NoFreeAddressesInSubnet { subnet } => {
                let message = format!("There are no free addresses in the subnet '{subnet}'.");
                ("NoFreeAddressesInSubnet", 409, message)
            }
            F::SecurityGroupLimitExceeded { most } => {
                let message = format!("A mount target has at most {most} security groups.");
                ("SecurityGroupLimitExceeded", 400, message)
            }
            F::SecurityGroupNotFound { group, vpc } => {
                let message = format!("The security group '{group}' does not exist in '{vpc}'.");
                ("SecurityGroupNotFound", 400, message)
            }
            F::SubnetNotFound { subnet } => {
                let message = format!("The subnet ID '{subnet}' does not exist");
                ("SubnetNotFound", 400, message)
            }
            F::IncorrectFileSystemLifeCycleState { id, state } => {
                let message = format!("The file system '{id}' is in the state '{state}'.");
                ("IncorrectFileSystemLifeCycleState", 409, message)
            }
            F::PolicyNotFound => {
                let message = "The file system has no such policy.";
                ("PolicyNotFound", 404, message.to_owned())
            }
            F::ReplicationNotFound => {
                let message = "The file system is part of no replication configuration.";
                ("ReplicationNotFound", 404, message.to_owned())
            }
            F::TooManyRequests => {
                let message =
                    "The throughput was decreased, or its mode changed, less than 24 hours ago.";
                ("TooManyRequests", 429, message.to_owned())
            }
            F::UnsupportedAvailabilityZone { zone } => {
                let message = format!("The Availability Zone '{zone}' is not supported.");
                ("UnsupportedAvailabilityZone", 400, message)
            }
            F::NoAgent { account, region } => {
                let message = format!(
                    "No agent stores volumes of account {account} in {region}. Use a Region that has an agent (`keyward agent list --region REGION`), or create a token with `keyward agent token` and register an agent with it."
                );
                ("InternalServerError", 500, message)
            }
        };
        Self::new(code, Some(message)).status(status)
    }
}
