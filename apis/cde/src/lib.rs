//! Cloudera Data Engineering as the `cdp` CLI calls it: the two services `environments` and `de` of CDP.
//!
//! An environment names a role and a KMS key. A service that is enabled in it gets a file system, a database and a
//! provider of Kubernetes secrets under that key, all by EFS, RDS and KMS of this server, as that role
//! (`docs/decisions/0033`). Virtual clusters are records: no Spark runs here.
//!
//! <https://docs.cloudera.com/data-engineering/cloud/index.html>
#![forbid(unsafe_code)]

pub mod ask;
pub mod condition_keys;
pub mod de;
pub mod environments;
pub mod fault;
pub mod kept;
pub mod keys;
pub mod members;
pub mod proof;
pub mod records;
pub mod role;
pub mod routes;

use std::{sync::Arc, time::Duration};

use keyward_engine::{
    api::{Api, ApiDescription, ApiState, Prove},
    api_context,
    context::Context,
    dependents::Dependents,
    fault::Fault,
    forward::{CallsAsServices, Forwards},
    gate::declared::DeclaredKey,
    pipeline::{Row, row},
    protocol::{AnswerTo, Dialect, RestJson, Wire},
};
use keyward_types::{
    arn::ArnParts,
    key_id::KeyArn,
    via_service::{ActingService, CDP, ELASTIC_FILE_SYSTEM, RDS},
    vpc::Vpcs,
};
use keyward_wire::sigv4::Skew;

use crate::ask::Asked;

/// How long EnableService and DisableService wait for what an agent must do, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What the operations of both services share.
#[derive(Debug)]
pub struct CdeState {
    /// The subnets that the operator configured.
    pub vpcs: Arc<Vpcs>,
    /// How long EnableService and DisableService wait for what an agent must do.
    pub patience: Duration,
}

impl ApiState for CdeState {}

api_context!(
    /// The context of a request to one of the two services.
    Cx,
    CdeState
);

/// The service `environments`.
#[derive(Clone, Copy, Debug)]
pub enum Environments {}

/// The service `de`.
#[derive(Clone, Copy, Debug)]
pub enum De {}

static ENVIRONMENTS: ApiDescription = ApiDescription::of::<Environments>();
static DE: ApiDescription = ApiDescription::of::<De>();

/// What both have in common.
macro_rules! speaks_altus {
    () => {
        type Protocol = RestJson;
        type State = CdeState;
        type Context<'a> = Cx<'a>;
        const INTERNAL: &'static str = "INTERNAL";
        const CALLS_OTHERS: bool = true;
        const THROTTLED: (&'static str, &'static str) =
            ("RESOURCE_EXHAUSTED", "Too many requests. Try again later.");

        fn context<'a>(request: &'a Context<'a>, state: &'a CdeState) -> Cx<'a> {
            Cx::new(request, state)
        }

        fn render_fault(fault: &Fault, _asked: &AnswerTo<'_>) -> Vec<u8> {
            fault::render(fault)
        }

        fn contended() -> Fault {
            fault::CdeFault::Contended.into()
        }

        fn skew() -> Skew {
            Skew::FifteenMinutes
        }

        fn own_proof(_operation: &str) -> Option<Prove> {
            Some(proof::prove::<Self>)
        }
    };
}

impl Api for Environments {
    speaks_altus!();
    const SERVICE: &'static str = "environments";
    const EVENT_SOURCE: &'static str = "environments.cdp.cloudera.com";
    const WIRE: Wire = Wire::Rest {
        version: "api/v1/environments2",
        routes: routes::ENVIRONMENTS,
        dialect: Dialect::Cloudera,
    };
    const OPERATIONS: &'static [Row] = OF_ENVIRONMENTS;
    const UNSUPPORTED: &'static [&'static str] = routes::ENVIRONMENTS_UNSUPPORTED;

    fn description() -> &'static ApiDescription {
        &ENVIRONMENTS
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match arn.resource.split_once('/')? {
            ("environment", _) => Some("CDP::Environments::Environment"),
            ("credential", _) => Some("CDP::Environments::Credential"),
            _ => None,
        }
    }

    fn dependents<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
        environments::dependents(cx, key)
    }
}

impl Api for De {
    speaks_altus!();
    const SERVICE: &'static str = "de";
    const EVENT_SOURCE: &'static str = "de.cdp.cloudera.com";
    const WIRE: Wire = Wire::Rest {
        version: "api/v1/de",
        routes: routes::DE,
        dialect: Dialect::Cloudera,
    };
    const OPERATIONS: &'static [Row] = OF_DE;
    const UNSUPPORTED: &'static [&'static str] = routes::DE_UNSUPPORTED;
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;

    fn description() -> &'static ApiDescription {
        &DE
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match arn.resource.split_once('/')? {
            ("service", _) => Some("CDP::DE::Service"),
            ("vc", _) => Some("CDP::DE::VirtualCluster"),
            _ => None,
        }
    }

    fn dependents<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
        de::dependents(cx, key)
    }
}

impl CallsAsServices for Environments {
    const SERVICES: &'static [&'static ActingService] = &[CDP];
}

/// As EFS and RDS it makes dry runs alone, of what these would ask of KMS.
impl CallsAsServices for De {
    const SERVICES: &'static [&'static ActingService] = &[CDP, ELASTIC_FILE_SYSTEM, RDS];
}

impl Forwards for De {
    const CALLS_AS: &'static ActingService = CDP;
}

/// The operations of `environments` that are served, in the alphabet's order.
pub const OF_ENVIRONMENTS: &[Row] = &[
    row::<Asked<environments::create_aws_credential::CreateAWSCredential>>(),
    row::<Asked<environments::create_aws_environment::CreateAWSEnvironment>>(),
    row::<Asked<environments::delete_credential::DeleteCredential>>(),
    row::<Asked<environments::delete_environment::DeleteEnvironment>>(),
    row::<Asked<environments::describe_environment::DescribeEnvironment>>(),
    row::<Asked<environments::get_credential_prerequisites::GetCredentialPrerequisites>>(),
    row::<Asked<environments::list_credentials::ListCredentials>>(),
    row::<Asked<environments::list_environments::ListEnvironments>>(),
    row::<Asked<environments::update_disk_encryption::UpdateAwsDiskEncryptionParameters>>(),
];

/// The operations of `de` that are served, in the alphabet's order. `recordProvisioning` has no path: only EnableService
/// calls it.
pub const OF_DE: &[Row] = &[
    row::<Asked<de::create_vc::CreateVc>>(),
    row::<Asked<de::delete_vc::DeleteVc>>(),
    row::<Asked<de::describe_service::DescribeService>>(),
    row::<Asked<de::describe_vc::DescribeVc>>(),
    row::<Asked<de::disable_service::DisableService>>(),
    row::<de::enable_service::EnableService>(),
    row::<Asked<de::get_service_init_logs::GetServiceInitLogs>>(),
    row::<Asked<de::list_services::ListServices>>(),
    row::<Asked<de::list_vcs::ListVcs>>(),
    row::<de::record_provisioning::RecordProvisioning>(),
];
