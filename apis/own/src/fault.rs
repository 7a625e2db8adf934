//! The faults of Keyward's own service: KMS's where it works on keys, and AWS's for a request that
//! cannot be authenticated.

pub mod cdp;
mod made;

use std::net::IpAddr;

use keyward_api_kms::fault::KmsFault;
use keyward_engine::{
    context::NoTurn,
    directory::ReadError,
    fault::{Fault, Internal},
    forward::NotDone,
    gate::Denied,
    request::Told,
};
use keyward_store::path::PathError;
use keyward_types::storage::{AgentId, AgentTokenId, VolumeId};
use keyward_wire::{json::Rejected, sigv4::AuthError};

use self::cdp::CdpFault;
use crate::scans::Busy;

/// A fault of the service `keyward`.
#[derive(Debug)]
pub enum KeywardFault {
    /// What a stranger was refused a short time ago, too.
    Repeated {
        /// What is refused.
        fault: Box<KeywardFault>,
        /// The stranger's address.
        address: IpAddr,
    },
    /// What a caller that exceeds its rate is refused.
    Unrecorded(Box<KeywardFault>),
    /// The presented request cannot be authenticated.
    Unproven(AuthError),
    /// Only a service may do this.
    NotAService {
        /// The caller's ARN.
        caller: String,
        /// The operation.
        operation: &'static str,
    },
    /// A principal that is not of the caller's account, or not there.
    NoSuchPrincipal {
        /// As it was named.
        principal: String,
        /// The caller's account.
        account: String,
    },
    /// A key of another account.
    OtherAccount {
        /// The caller's account.
        account: String,
    },
    /// No event of that request in the caller's account.
    NoSuchRequest {
        /// The requested id.
        request_id: String,
    },
    /// No event of a denied request in the caller's account.
    NothingDenied {
        /// The principal, if one was given.
        principal: Option<String>,
    },
    /// No policy was evaluated for the request.
    NothingDecided {
        /// The request.
        request_id: String,
    },
    /// The event of the request was shortened.
    Shortened {
        /// The request.
        request_id: String,
    },
    /// The request was made by another account's principal.
    AnothersRequest {
        /// The request.
        request_id: String,
    },
    /// No agent of that id in the caller's account and Region.
    NoSuchAgent {
        /// As it was named.
        agent: String,
    },
    /// No token of that id in the caller's account and Region.
    NoSuchToken {
        /// As it was named.
        token: String,
    },
    /// A token by which an agent has registered that has called since.
    TokenUsed {
        /// The token.
        token: AgentTokenId,
        /// The agent.
        agent: AgentId,
    },
    /// A fault about access keys of CDP.
    Cdp(CdpFault),
    /// As many as there may be.
    LimitExceeded {
        /// How many.
        most: usize,
        /// The kind of resource, in the plural.
        what: &'static str,
    },
    /// No volume of that id is assigned to the agent.
    NoSuchVolume {
        /// As it was named.
        volume: String,
    },
    /// No volume of that id in the caller's account and Region.
    UnknownVolume {
        /// As it was named.
        volume: String,
    },
    /// The volume is being deleted.
    Ending {
        /// The volume.
        volume: VolumeId,
    },
    /// The volume is to be backed up, and the agent has no place for backups.
    NoBackupPlace {
        /// The volume.
        volume: VolumeId,
        /// The agent.
        agent: AgentId,
    },
    /// What is asked for does not go with what there is, for this reason.
    Conflict(String),
    /// A volume of a database that an agent cannot run.
    NoDatabaseEngine {
        /// The volume.
        volume: VolumeId,
        /// The agent.
        agent: AgentId,
        /// The engine with its version.
        engine: String,
    },
    /// An agent that has not called since it registered.
    NeverCalled {
        /// The agent.
        agent: AgentId,
    },
    /// A newer request of the same agent waits.
    Overtaken {
        /// The agent.
        agent: AgentId,
    },
    /// The volume is not served at that mount target.
    NoSuchTarget {
        /// As it was named.
        target: String,
    },
    /// The service has nothing that a client asks for.
    NothingToMount {
        /// In the service's words.
        message: Option<String>,
    },
    /// A client of a volume may not mount it, or is not who its certificate says.
    BadClient {
        /// Why not.
        message: String,
    },
    /// A token that is not valid, was used, or has expired.
    BadToken,
    /// A service's call of KMS was refused.
    Refused(Told),
    /// Too many ask for much at once.
    Busy,
    /// There is no turn for a request that waited, or the caller asks more often than it may.
    NoTurn,
    /// As KMS reports it.
    Kms(KmsFault),
}

impl From<KmsFault> for KeywardFault {
    fn from(fault: KmsFault) -> Self {
        Self::Kms(fault)
    }
}

impl From<NotDone> for KeywardFault {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Refused(told) => Self::Refused(told),
            NotDone::Failed(internal) => internal.into(),
        }
    }
}

impl From<Busy> for KeywardFault {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<NoTurn> for KeywardFault {
    fn from(_: NoTurn) -> Self {
        Self::NoTurn
    }
}

impl From<AuthError> for KeywardFault {
    fn from(error: AuthError) -> Self {
        Self::Unproven(error)
    }
}

impl From<Denied> for KeywardFault {
    fn from(denied: Denied) -> Self {
        Self::Kms(denied.into())
    }
}

impl From<Rejected> for KeywardFault {
    fn from(rejected: Rejected) -> Self {
        Self::Kms(rejected.into())
    }
}

impl From<ReadError> for KeywardFault {
    fn from(error: ReadError) -> Self {
        Self::Kms(error.into())
    }
}

impl From<PathError> for KeywardFault {
    fn from(error: PathError) -> Self {
        Internal::new(error).into()
    }
}

impl From<Internal> for KeywardFault {
    fn from(internal: Internal) -> Self {
        Self::Kms(KmsFault::Internal(internal))
    }
}

impl From<KeywardFault> for Fault {
    fn from(fault: KeywardFault) -> Self {
        match fault {
            KeywardFault::Repeated { fault, address } => Self::from(*fault).repeated(address),
            KeywardFault::Unrecorded(fault) => Self::from(*fault).unrecorded(),
            KeywardFault::Kms(fault) => fault.into(),
            KeywardFault::Unproven(error) => {
                let wire = error.json();
                let message = wire.message.map(std::borrow::Cow::into_owned);
                let code = match wire.code {
                    std::borrow::Cow::Borrowed(code) => code,
                    std::borrow::Cow::Owned(_) => "InvalidSignatureException",
                };
                Self::new(code, message).status(wire.status)
            }
            KeywardFault::NoSuchAgent { agent } => {
                let message = format!(
                    "There is no agent {agent} in your account and Region. `keyward agent list` shows the IDs."
                );
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::NoSuchToken { token } => {
                let message = format!("There is no token {token} in your account and Region.");
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::TokenUsed { token, agent } => {
                let message = format!(
                    "Agent {agent} has registered with the token {token} and has called. Remove the agent."
                );
                Self::new("ConflictException", Some(message))
            }
            KeywardFault::LimitExceeded { most, what } => {
                let message = format!(
                    "Your account has {most} {what} in this Region, as many as there may be. Remove one with `keyward agent remove`."
                );
                Self::new("LimitExceededException", Some(message))
            }
            KeywardFault::Cdp(fault) => fault.into(),
            KeywardFault::NoSuchVolume { volume } => {
                let message = format!("No volume {volume} is assigned to this agent.");
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::UnknownVolume { volume } => {
                let message = format!(
                    "There is no volume {volume} in your account and Region. A volume has the ID of its file system. A backup of a deleted one can be opened with `keyward volume receive` and `keyward volume rekey --file-system`."
                );
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::Ending { volume } => {
                let message =
                    format!("{volume} is being deleted, and cannot be assigned to another agent.");
                Self::new("ConflictException", Some(message))
            }
            KeywardFault::NoBackupPlace { volume, agent } => {
                let message = format!(
                    "The backup policy of {volume} is ENABLED, and agent {agent} has no place for backups. Start the agent with `keyward agent run --backup-to`, or disable the backup policy (`aws efs put-backup-policy --file-system-id {volume} --backup-policy Status=DISABLED`)."
                );
                Self::new("ConflictException", Some(message))
            }
            KeywardFault::Conflict(message) => Self::new("ConflictException", Some(message)),
            KeywardFault::NoDatabaseEngine {
                volume,
                agent,
                engine,
            } => {
                let message = format!(
                    "{volume} is a database of {engine}, which the machine of agent {agent} does not have. Install it there; the agent says so when it asks again."
                );
                Self::new("ConflictException", Some(message))
            }
            KeywardFault::NeverCalled { agent } => {
                let message = format!(
                    "Agent {agent} has never called the server, and is given no volumes until it does. Start it with `keyward agent run`."
                );
                Self::new("ConflictException", Some(message))
            }
            KeywardFault::Overtaken { agent } => {
                let message = format!(
                    "A newer request of agent {agent} waits. If the agent was not just started again, another process uses its identity: its state directory or its machine was copied. Remove one of them, and register the other one again with `keyward agent token` and another --state-dir."
                );
                Self::new("OvertakenException", Some(message))
            }
            KeywardFault::NoSuchTarget { target } => {
                let message = format!("The volume has no mount target {target}.");
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::NothingToMount { message } => Self::new("NotFoundException", message),
            KeywardFault::BadClient { message } => {
                let fault = Self::new("AccessDeniedException", Some(message));
                fault.audited_as("AccessDenied")
            }
            KeywardFault::BadToken => {
                let message = "The token is not valid: it was used, has expired, was never created, or is not complete. Create another one with `keyward agent token`.";
                Self::new("InvalidTokenException", Some(message.to_owned())).status(403)
            }
            KeywardFault::Refused(Told { code, message }) => Self::new(code, message),
            KeywardFault::Busy => {
                let message = "Others are asking the same kind of question. Try again.";
                Self::new("ThrottlingException", Some(message.to_owned()))
            }
            KeywardFault::NoTurn => {
                Self::new("ThrottlingException", Some("Rate exceeded".to_owned()))
            }
            KeywardFault::NoSuchPrincipal { principal, account } => {
                let message = format!(
                    "{principal} is not a user, role, session or federated user of {account}, and not a service. Give its ARN; principals of other accounts can be asked about only there."
                );
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::OtherAccount { account } => {
                let message =
                    format!("Only keys of your own account ({account}) can be asked about.");
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::NoSuchRequest { request_id } => {
                let message = format!(
                    "The audit trail of your account has no request {request_id}. The id is in the answer's header x-amzn-RequestId; requests that failed to authenticate are not on the trail."
                );
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::NothingDenied { principal } => {
                let whose = match principal {
                    Some(principal) => format!(" by {principal}"),
                    None => String::new(),
                };
                let message = format!(
                    "The audit trail of your account has no request{whose} that policies denied."
                );
                Self::new("NotFoundException", Some(message))
            }
            KeywardFault::NothingDecided { request_id } => {
                let message = format!(
                    "No policy was evaluated for request {request_id}: it ended earlier, or needs no permission."
                );
                Self::new("ValidationException", Some(message))
            }
            KeywardFault::Shortened { request_id } => {
                let message = format!(
                    "The event of request {request_id} was too long to be recorded in full: it has the decision, but not what the decision was based on."
                );
                Self::new("ValidationException", Some(message))
            }
            KeywardFault::AnothersRequest { request_id } => {
                let message = format!(
                    "Request {request_id} was made by a principal of another account, whose policies are not known here."
                );
                Self::new("ValidationException", Some(message))
            }
            KeywardFault::NotAService { caller, operation } => {
                let message = format!(
                    "User: {caller} is not authorized to perform: keyward:{operation} because only a service that was given credentials may"
                );
                Self::new("AccessDeniedException", Some(message)).audited_as("AccessDenied")
            }
        }
    }
}
