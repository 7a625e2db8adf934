//! The faults of RDS: those of AWS's model and its common ones, each with its code, HTTP status and message.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html#API_CreateDBInstance_Errors>

use keyward_engine::{
    directory::ReadError,
    fault::{Fault, Internal},
    forward::NotDone,
    gate::Denied,
    marker::MarkerError,
    request::Told,
};
use keyward_store::{error::LimitError, path::PathError};
use keyward_wire::json::Rejected;

/// A fault of RDS.
#[derive(Debug)]
pub enum RdsFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// A member is not of the model's type.
    Rejected(Rejected),
    /// Something failed on our side.
    Internal(Internal),
    /// A parameter makes no sense.
    InvalidParameterValue(String),
    /// Parameters do not go together.
    InvalidParameterCombination(String),
    /// No certificate of that name.
    CertificateNotFound {
        /// As it was named.
        name: String,
    },
    /// The name of a new instance is taken.
    DbInstanceAlreadyExists,
    /// No instance of that name.
    DbInstanceNotFound {
        /// As it was named.
        name: String,
    },
    /// The name of a new snapshot is taken.
    DbSnapshotAlreadyExists {
        /// The name.
        name: String,
    },
    /// No snapshot of that name.
    DbSnapshotNotFound {
        /// As it was named.
        name: String,
    },
    /// The snapshot is in another state.
    InvalidDbSnapshotState(String),
    /// The account has as many snapshots as it may.
    SnapshotQuotaExceeded,
    /// The agent of a volume makes no copies of it.
    NoCopies {
        /// The agent.
        agent: String,
    },
    /// No group of that name.
    DbParameterGroupNotFound {
        /// As it was named.
        name: String,
    },
    /// The name of a new group is taken.
    DbSubnetGroupAlreadyExists {
        /// The name.
        name: String,
    },
    /// The subnets of a group are in too few Availability Zones.
    DbSubnetGroupDoesNotCoverEnoughAzs {
        /// Those that they are in.
        zones: String,
    },
    /// No group of that name.
    DbSubnetGroupNotFound {
        /// As it was named.
        name: String,
    },
    /// The account has as many groups as it may.
    DbSubnetGroupQuotaExceeded,
    /// The account has as many instances as it may.
    InstanceQuotaExceeded,
    /// No address of a subnet is free.
    InsufficientDbInstanceCapacity(String),
    /// The instance is in another state.
    InvalidDbInstanceState(String),
    /// A group is in use.
    InvalidDbSubnetGroupState {
        /// An instance that uses it.
        instance: String,
    },
    /// A subnet is not there, or not with the others.
    InvalidSubnet(String),
    /// An instance is in a subnet that its group is to have no longer.
    SubnetAlreadyInUse {
        /// The subnet.
        subnet: String,
        /// The instance.
        instance: String,
    },
    /// The key cannot be used.
    KmsKeyNotAccessible {
        /// As it was named.
        key: String,
        /// What KMS said, if it was asked.
        said: Option<Told>,
    },
    /// No agent can run such a database.
    NoAgent {
        /// The account.
        account: String,
        /// The Region.
        region: String,
    },
}

impl RdsFault {
    /// The refusal of a parameter that this version does not serve.
    pub fn unserved(member: &str) -> Self {
        Self::InvalidParameterCombination(format!(
            "{member} is not supported by this version of Keyward."
        ))
    }

    /// What becomes of a call to KMS about a key.
    pub fn of_kms(not_done: NotDone, key: &str) -> Self {
        match not_done {
            NotDone::Refused(told) => Self::KmsKeyNotAccessible {
                key: key.to_owned(),
                said: Some(told),
            },
            NotDone::Failed(internal) => internal.into(),
        }
    }
}

impl From<Denied> for RdsFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<Rejected> for RdsFault {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Internal> for RdsFault {
    fn from(internal: Internal) -> Self {
        Self::Internal(internal)
    }
}

impl From<ReadError> for RdsFault {
    fn from(error: ReadError) -> Self {
        Internal::new(error).into()
    }
}

impl From<PathError> for RdsFault {
    fn from(error: PathError) -> Self {
        Internal::new(error).into()
    }
}

impl From<LimitError> for RdsFault {
    fn from(error: LimitError) -> Self {
        Internal::new(error).into()
    }
}

impl From<MarkerError> for RdsFault {
    fn from(error: MarkerError) -> Self {
        match error {
            MarkerError::Invalid => {
                Self::InvalidParameterValue("The Marker is not one of this list.".to_owned())
            }
            MarkerError::Internal(internal) => internal.into(),
        }
    }
}

impl From<RdsFault> for Fault {
    fn from(fault: RdsFault) -> Self {
        use RdsFault as F;
        let (code, status, message) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDenied", 403),
            F::Rejected(rejected) => {
                let wire = keyward_wire::fault::Fault::from(&rejected);
                return Self::of_wire(wire, "ValidationError");
            }
            F::Internal(internal) => return Self::internal("InternalFailure", internal),
            F::InvalidParameterValue(message) => ("InvalidParameterValue", 400, message),
            F::InvalidParameterCombination(message) => {
                ("InvalidParameterCombination", 400, message)
            }
            F::CertificateNotFound { name } => {
                let message = format!("Certificate {name} not found.");
                ("CertificateNotFound", 404, message)
            }
            F::DbInstanceAlreadyExists => {
                let message = "DB instance already exists".to_owned();
                ("DBInstanceAlreadyExists", 400, message)
            }
            F::DbInstanceNotFound { name } => {
                let message = format!("DBInstance {name} not found.");
                ("DBInstanceNotFound", 404, message)
            }
            F::DbSnapshotAlreadyExists { name } => {
                let message = format!(
                    "Cannot create the snapshot because a snapshot with the identifier {name} already exists."
                );
                ("DBSnapshotAlreadyExists", 400, message)
            }
            F::DbSnapshotNotFound { name } => {
                let message = format!("DBSnapshot {name} not found.");
                ("DBSnapshotNotFound", 404, message)
            }
            F::InvalidDbSnapshotState(message) => ("InvalidDBSnapshotState", 400, message),
            F::SnapshotQuotaExceeded => {
                let message = "Cannot create more than 100 manual snapshots".to_owned();
                ("SnapshotQuotaExceeded", 400, message)
            }
            F::NoCopies { agent } => {
                let message = format!(
                    "The data is stored by agent {agent}, which was removed, or is of a version that makes no snapshots: `keyward agent list` shows the agents. Assign it to another one (`keyward agent assign`), or update the agent."
                );
                ("InvalidDBInstanceState", 400, message)
            }
            F::DbParameterGroupNotFound { name } => {
                let message = format!("DBParameterGroup not found: {name}");
                ("DBParameterGroupNotFound", 404, message)
            }
            F::DbSubnetGroupAlreadyExists { name } => {
                let message = format!("The DB subnet group '{name}' already exists.");
                ("DBSubnetGroupAlreadyExists", 400, message)
            }
            F::DbSubnetGroupDoesNotCoverEnoughAzs { zones } => {
                let message = format!(
                    "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: {zones}. Add subnets to cover at least 2 AZs."
                );
                ("DBSubnetGroupDoesNotCoverEnoughAZs", 400, message)
            }
            F::DbSubnetGroupNotFound { name } => {
                let message = format!("DB subnet group '{name}' does not exist.");
                ("DBSubnetGroupNotFoundFault", 404, message)
            }
            F::DbSubnetGroupQuotaExceeded => {
                let message = "The account has as many DB subnet groups as it may have.".to_owned();
                ("DBSubnetGroupQuotaExceeded", 400, message)
            }
            F::InstanceQuotaExceeded => {
                let message = "DB Instance quota exceeded".to_owned();
                ("InstanceQuotaExceeded", 400, message)
            }
            F::InsufficientDbInstanceCapacity(message) => {
                ("InsufficientDBInstanceCapacity", 400, message)
            }
            F::InvalidDbInstanceState(message) => ("InvalidDBInstanceState", 400, message),
            F::InvalidDbSubnetGroupState { instance } => {
                let message = format!(
                    "Cannot delete the subnet group because at least one database instance: {instance} is still using it."
                );
                ("InvalidDBSubnetGroupStateFault", 400, message)
            }
            F::InvalidSubnet(message) => ("InvalidSubnet", 400, message),
            F::SubnetAlreadyInUse { subnet, instance } => {
                let message = format!(
                    "The subnet {subnet} is currently in use by the DB instance {instance}."
                );
                ("SubnetAlreadyInUse", 400, message)
            }
            F::KmsKeyNotAccessible { key, said } => {
                let mut message = format!(
                    "The specified KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it."
                );
                if let Some(Told {
                    code,
                    message: said,
                }) = said
                {
                    let said = said.unwrap_or_default();
                    message += &format!(" [error={code}] {said}");
                }
                let message = message.trim_end().to_owned();
                ("KMSKeyNotAccessibleFault", 400, message)
            }
            F::NoAgent { account, region } => {
                let message = format!(
                    "No agent of account {account} in {region} has PostgreSQL. Install PostgreSQL on a machine (on Debian, the package postgresql), and start `keyward agent run` there; if there is no agent yet, `keyward agent token` makes the token that it registers with."
                );
                ("InternalFailure", 500, message)
            }
        };
        Self::new(code, Some(message)).status(status)
    }
}
