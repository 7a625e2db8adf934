//! Keyward's own service: what AWS has no operations for, and the operations for agents. JSON 1.1 like KMS, signed for
//! `keyward`.

pub mod agent_token;
pub mod agents;
pub mod assign_volume;
pub mod authorize_mount;
pub mod backups;
pub mod case;
pub mod cdp_keys;
pub mod copies;
pub mod create_agent_token;
pub mod create_cdp_access_key;
pub mod create_forward_access_session;
pub mod databases;
pub mod delete_cdp_access_key;
pub mod describe_key_impact;
pub mod explain_decision;
pub mod explain_recorded_decision;
pub mod failed_volumes;
pub mod fault;
pub mod given;
pub mod left_volumes;
pub mod list_agents;
pub mod list_cdp_access_keys;
pub mod open_volume;
pub mod poll_volumes;
pub mod polls;
pub mod register_agent;
pub mod remove_agent;
pub mod repeats;
pub mod report_volumes;
pub mod scans;
pub mod stray_grants;
pub mod targets;
pub mod unwrapped;
pub mod who_can;

use std::{sync::Arc, time::Duration};

use keyward_api_kms::{self as kms, state::KmsState};
use keyward_engine::{
    api::{Api, ApiDescription, ApiState, Prove, StartedWorkers},
    api_context,
    caller::Caller,
    context::Context,
    fault::Fault,
    forward::CallsAsServices,
    one_by_one::OneByOne,
    operation::Operation as _,
    pipeline::{Row, row},
    protocol::{AwsJson, Wire},
    session::{Sessions, Subject},
    workers::{Worker, WorkerContext},
};
use keyward_types::{
    arn::ArnParts,
    via_service::{ActingService, EC2, ELASTIC_FILE_SYSTEM, RDS},
    vpc::Vpcs,
};

use crate::{
    backups::Backups, failed_volumes::FailedVolumes, polls::Polls, repeats::Repeats, scans::Scans,
    stray_grants::StrayGrants,
};

/// The service `keyward` over AWS JSON 1.1.
#[derive(Clone, Copy, Debug)]
pub enum Keyward {}

/// What the operations of Keyward's own service share.
#[derive(Debug)]
pub struct KeywardState {
    kms: Arc<KmsState>,
    sessions: Arc<Sessions>,
    vpcs: Arc<Vpcs>,
    polls: Arc<Polls>,
    backups: Backups,
    failed_volumes: FailedVolumes,
    repeats: Repeats,
    scans: Scans,
    /// The turns of those who create tokens.
    tokens: OneByOne,
    /// The turns of agents that register.
    registrations: OneByOne,
}

impl KeywardState {
    /// The state of the service: KMS, whose keys and grants decisions are explained for, temporary
    /// credentials, the subnets in which agents serve volumes, and the agents that wait.
    pub fn new(
        kms: &Arc<KmsState>,
        sessions: &Arc<Sessions>,
        vpcs: &Arc<Vpcs>,
        polls: &Arc<Polls>,
    ) -> Self {
        Self {
            kms: Arc::clone(kms),
            sessions: Arc::clone(sessions),
            vpcs: Arc::clone(vpcs),
            polls: Arc::clone(polls),
            backups: Backups::default(),
            failed_volumes: FailedVolumes::default(),
            repeats: Repeats::default(),
            scans: Scans::default(),
            tokens: OneByOne::default(),
            registrations: OneByOne::default(),
        }
    }
}

impl KeywardState {
    /// The turns of operations that read a whole account or the whole trail.
    pub fn scans(&self) -> &Scans {
        &self.scans
    }

    /// The subnets in which agents serve volumes.
    pub fn vpcs(&self) -> &Vpcs {
        &self.vpcs
    }
}

impl ApiState for KeywardState {
    fn gauges(&self) -> Vec<(&'static str, &'static str, u64)> {
        let waiting = u64::try_from(self.polls.count()).unwrap_or(u64::MAX);
        let help = "Agents that wait to hear what is wanted of their volumes.";
        let failed = u64::try_from(self.backups.failed()).unwrap_or(u64::MAX);
        let of_backups = "Volumes whose last backup has failed, as their agents have said.";
        let volumes = u64::try_from(self.failed_volumes.count()).unwrap_or(u64::MAX);
        let of_volumes = "Volumes that are cut off or cannot be used for another reason, as their agents have said.";
        vec![
            ("waiting_agents", help, waiting),
            ("failed_backups", of_backups, failed),
            ("failed_volumes", of_volumes, volumes),
        ]
    }
}

api_context!(
    /// The context of a request to Keyward's own service.
    Cx,
    KeywardState
);

impl<'a> Cx<'a> {
    /// The request as KMS sees it.
    pub fn kms(&self) -> kms::Cx<'a> {
        kms::Cx::new(self.request, &self.state.kms)
    }
}

impl CallsAsServices for Keyward {
    const SERVICES: &'static [&'static ActingService] = &[EC2, ELASTIC_FILE_SYSTEM, RDS];
}

static DESCRIPTION: ApiDescription = ApiDescription::of::<Keyward>();

impl Api for Keyward {
    type Protocol = AwsJson;
    type State = KeywardState;
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "keyward";
    const EVENT_SOURCE: &'static str = "keyward";
    const WIRE: Wire = Wire::Json {
        target_prefix: "Keyward_20261101.",
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const THROTTLED: (&'static str, &'static str) = ("ThrottlingException", "Rate exceeded");
    const ANSWER_ROOM: usize = 2048;
    const FOR_SERVICES: &'static [&'static str] = &["CreateForwardAccessSession"];
    const FOR_AGENTS: &'static [&'static str] = &[
        "AuthorizeMount",
        "OpenVolume",
        "PollVolumes",
        "RegisterAgent",
        "ReportVolumes",
    ];
    // Anybody who reaches a mount target has an agent ask.
    const FOR_STRANGERS: &'static [&'static str] = &["AuthorizeMount"];
    // Whether a volume stays open must not depend on what else the agent, or a thief of its access key, asks.
    const LIMITED_BY_THEMSELVES: &'static [&'static str] = &[open_volume::OpenVolume::NAME];

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a Self::State) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn workers(_state: Arc<KeywardState>, _cx: &WorkerContext) -> StartedWorkers<'_> {
        const LEFT_VOLUMES: Duration = Duration::from_secs(30);
        let left = Worker::new(LEFT_VOLUMES, |cx| Box::pin(left_volumes::end(cx)));
        const STRAY_GRANTS: Duration = Duration::from_secs(600);
        let stray = Arc::new(StrayGrants::default());
        let stray = Worker::new(STRAY_GRANTS, move |cx| {
            let stray = Arc::clone(&stray);
            Box::pin(async move { stray.round(cx).await })
        });
        Box::pin(async { Ok(vec![left, stray]) })
    }

    fn own_proof(operation: &str) -> Option<Prove> {
        (operation == register_agent::RegisterAgent::NAME).then_some(register_agent::prove)
    }

    // A key outlives a session and does not have its limits: it is as strong as an access key of IAM.
    fn restricted(_caller: &Caller, subject: &Subject, operation: &str) -> Option<Fault> {
        let is_about_keys = operation == create_cdp_access_key::CreateCdpAccessKey::NAME
            || operation == delete_cdp_access_key::DeleteCdpAccessKey::NAME;
        match subject {
            Subject::Root | Subject::User(_) | Subject::Federated { .. } if is_about_keys => {
                let message = format!("Cannot call {operation} with session credentials");
                Some(Fault::new("AccessDeniedException", Some(message)))
            }
            _ => None,
        }
    }

    fn resource_type(_arn: &ArnParts<'_>) -> Option<&'static str> {
        None
    }
}

/// The operations served, in alphabetical order.
pub const OPERATIONS: &[Row] = &[
    row::<assign_volume::AssignVolume>(),
    row::<authorize_mount::AuthorizeMount>(),
    row::<create_agent_token::CreateAgentToken>(),
    row::<create_cdp_access_key::CreateCdpAccessKey>(),
    row::<create_forward_access_session::CreateForwardAccessSession>(),
    row::<delete_cdp_access_key::DeleteCdpAccessKey>(),
    row::<describe_key_impact::DescribeKeyImpact>(),
    row::<explain_decision::ExplainDecision>(),
    row::<explain_recorded_decision::ExplainRecordedDecision>(),
    row::<list_agents::ListAgents>(),
    row::<list_cdp_access_keys::ListCdpAccessKeys>(),
    row::<open_volume::OpenVolume>(),
    row::<poll_volumes::PollVolumes>(),
    row::<register_agent::RegisterAgent>(),
    row::<remove_agent::RemoveAgent>(),
    row::<report_volumes::ReportVolumes>(),
    row::<who_can::WhoCan>(),
];
