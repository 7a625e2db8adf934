//! STS: one file per operation, and the table of them. The audit trail shows no tokens and no codes.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

pub mod assume_role;
pub mod assume_role_with_web_identity;
pub mod condition_keys;
pub mod credentials;
pub mod decode_authorization_message;
pub mod fault;
pub mod get_access_key_info;
pub mod get_caller_identity;
pub mod get_federation_token;
pub mod get_session_token;
pub mod mfa;
pub mod names;
pub mod packed;
pub mod restrictions;
pub mod role;
pub mod session_policies;
pub mod session_tags;
pub mod unserved;
pub mod web_identity;

use std::sync::Arc;

use keyward_engine::{
    api::{Api, ApiDescription, ApiState, Prove},
    api_context,
    caller::Caller,
    context::Context,
    fault::Fault,
    gate::declared::DeclaredKey,
    operation::Operation as _,
    pipeline::{Row, row},
    protocol::{AwsQuery, Wire},
    session::{Sessions, Subject},
};
use keyward_oidc::issuers::Issuers;
use keyward_types::arn::ArnParts;
use keyward_wire::sigv4::Presigned;

use crate::assume_role_with_web_identity::AssumeRoleWithWebIdentity;

/// STS over the Query protocol.
#[derive(Clone, Copy, Debug)]
pub enum Sts {}

/// What the operations of STS share.
#[derive(Debug)]
pub struct StsState {
    issuers: Arc<Issuers>,
    sessions: Arc<Sessions>,
}

impl StsState {
    /// The state of STS: what verifies web identities, and temporary credentials.
    pub fn new(issuers: &Arc<Issuers>, sessions: &Arc<Sessions>) -> Self {
        Self {
            issuers: Arc::clone(issuers),
            sessions: Arc::clone(sessions),
        }
    }
}

impl ApiState for StsState {}

api_context!(
    /// The context of a request to STS.
    Cx,
    StsState
);

static DESCRIPTION: ApiDescription = ApiDescription::of::<Sts>();

impl Api for Sts {
    type Protocol = AwsQuery;
    type State = StsState;
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "sts";
    const TITLE: &'static str = "STS";
    const EVENT_SOURCE: &'static str = "sts.amazonaws.com";
    const WIRE: Wire = Wire::Query {
        version: "2011-06-15",
        namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
        items: &[],
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const FOR_SERVICES: &'static [&'static str] = &["AssumeRole", "GetCallerIdentity"];
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;

    fn presigned(operation: &str) -> Presigned {
        match operation {
            "GetCallerIdentity" => Presigned::Accepted,
            _ => Presigned::Refused,
        }
    }

    fn own_proof(operation: &str) -> Option<Prove> {
        (operation == AssumeRoleWithWebIdentity::NAME).then_some(web_identity::prove)
    }

    fn restricted(caller: &Caller, subject: &Subject, operation: &str) -> Option<Fault> {
        restrictions::restricted(caller, subject, operation)
    }

    /// Sessions are those of users and roles; a service is neither.
    fn service_denied(caller: &Caller, operation: &str) -> Fault {
        restrictions::unauthorized(caller, operation)
    }

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a Self::State) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match (arn.service, arn.resource.split_once('/')?) {
            ("iam", ("role", _)) => Some("AWS::IAM::Role"),
            _ => None,
        }
    }
}

/// The operations served, in alphabetical order.
pub const OPERATIONS: &[Row] = &[
    row::<assume_role::AssumeRole>(),
    row::<assume_role_with_web_identity::AssumeRoleWithWebIdentity>(),
    row::<decode_authorization_message::DecodeAuthorizationMessage>(),
    row::<get_access_key_info::GetAccessKeyInfo>(),
    row::<get_caller_identity::GetCallerIdentity>(),
    row::<get_federation_token::GetFederationToken>(),
    row::<get_session_token::GetSessionToken>(),
];
