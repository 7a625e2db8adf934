//! Amazon EFS: file systems under KMS keys. The control plane: which file systems there should be, under which
//! key, and who may mount them. Agents store and serve the volumes, see `keyward-api-own`.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/api-reference.html>

pub mod access_point;
pub mod access_points;
pub mod account_preferences;
pub mod backup_policy;
pub mod client_connection;
pub mod condition_keys;
pub mod create_access_point;
pub mod create_file_system;
pub mod create_mount_target;
pub mod data_key;
pub mod delete_file_system;
pub mod dependents;
pub mod describe_file_systems;
pub mod describe_replication_configurations;
pub mod facts;
pub mod fault;
pub mod file_system;
pub mod file_system_policy;
pub mod file_system_protection;
pub mod lifecycle_configuration;
pub mod members;
pub mod mount_target;
pub mod mount_target_groups;
pub mod mount_targets;
pub mod old_tags;
pub mod on_file_system;
pub mod page;
pub mod records;
pub mod resource_policy;
pub mod routes;
pub mod shown;
pub mod tags;
pub mod throughput;
pub mod update_file_system;

use std::{fmt::Debug, sync::Arc};

use keyward_engine::{
    api::{Api, ApiDescription, ApiState, FoundFacts, ResourceQuestion},
    api_context,
    context::Context,
    dependents::{Dependents, FoundState},
    fault::{Fault, Internal},
    forward::{CallsAsServices, Forwards},
    gate::declared::DeclaredKey,
    one_by_one::OneByOne,
    pipeline::{Row, row},
    protocol::{AnswerTo, Dialect, RestJson, Wire},
};
use keyward_types::{
    arn::ArnParts,
    key_id::KeyArn,
    storage::AgentId,
    via_service::{ActingService, ELASTIC_FILE_SYSTEM},
    vpc::Vpcs,
};

use crate::on_file_system::On;

/// Which agents are connected.
pub trait Connections: Debug + Send + Sync {
    /// Whether an agent is connected.
    fn is_connected(&self, agent: &AgentId) -> bool;
}

/// What the operations of EFS share.
#[derive(Debug)]
pub struct EfsState {
    /// The subnets and security groups that the operator configured.
    pub vpcs: Arc<Vpcs>,
    /// Which agents are connected.
    pub connections: Arc<dyn Connections>,
    /// The turns of those who create file systems.
    pub creations: OneByOne,
}

impl ApiState for EfsState {}

/// Amazon EFS over REST-JSON.
#[derive(Clone, Copy, Debug)]
pub enum Efs {}

api_context!(
    /// The context of a request to EFS.
    Cx,
    EfsState
);

static DESCRIPTION: ApiDescription = ApiDescription::of::<Efs>();

impl Api for Efs {
    type Protocol = RestJson;
    type State = EfsState;
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "elasticfilesystem";
    const TITLE: &'static str = "EFS";
    const EVENT_SOURCE: &'static str = "elasticfilesystem.amazonaws.com";
    const WIRE: Wire = Wire::Rest {
        version: "2015-02-01",
        routes: routes::ROUTES,
        dialect: Dialect::Aws,
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const UNSUPPORTED: &'static [&'static str] = UNSUPPORTED;
    const INTERNAL: &'static str = "InternalServerError";
    const THROTTLED: (&'static str, &'static str) = ("ThrottlingException", "Rate exceeded");
    const BARE: bool = true;
    const CALLS_OTHERS: bool = true;
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;
    const FOR_CLIENTS: &'static [&'static str] = &["NewClientConnection", "UpdateClientConnection"];

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a EfsState) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match arn.resource.split_once('/')? {
            ("file-system", _) => Some("AWS::EFS::FileSystem"),
            ("access-point", _) => Some("AWS::EFS::AccessPoint"),
            _ => None,
        }
    }

    fn facts<'c>(cx: &'c Context<'c>, asked: ResourceQuestion<'c>) -> FoundFacts<'c> {
        Box::pin(async move {
            let facts = facts::of(cx, asked).await;
            facts.map_err(|fault| Internal::new(format!("{fault:?}")))
        })
    }

    fn state_of<'c>(cx: &'c Context<'_>, arn: &'c str) -> FoundState<'c> {
        dependents::state_of(cx, arn)
    }

    fn dependents<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
        dependents::of(cx, key)
    }

    fn render_fault(fault: &Fault, _asked: &AnswerTo<'_>) -> Vec<u8> {
        fault::render(fault)
    }
}

impl Forwards for Efs {
    const CALLS_AS: &'static ActingService = ELASTIC_FILE_SYSTEM;
}

impl CallsAsServices for Efs {
    const SERVICES: &'static [&'static ActingService] = &[ELASTIC_FILE_SYSTEM];
}

/// The operations served, in alphabetical order.
pub const OPERATIONS: &[Row] = &[
    row::<create_access_point::CreateAccessPoint>(),
    row::<create_file_system::CreateFileSystem>(),
    row::<create_mount_target::CreateMountTarget>(),
    row::<On<old_tags::CreateTags>>(),
    row::<access_points::DeleteAccessPoint>(),
    row::<delete_file_system::DeleteFileSystem>(),
    row::<On<file_system_policy::DeleteFileSystemPolicy>>(),
    row::<mount_targets::DeleteMountTarget>(),
    row::<On<old_tags::DeleteTags>>(),
    row::<access_points::DescribeAccessPoints>(),
    row::<account_preferences::DescribeAccountPreferences>(),
    row::<On<backup_policy::DescribeBackupPolicy>>(),
    row::<On<file_system_policy::DescribeFileSystemPolicy>>(),
    row::<describe_file_systems::DescribeFileSystems>(),
    row::<On<lifecycle_configuration::DescribeLifecycleConfiguration>>(),
    row::<mount_target_groups::DescribeMountTargetSecurityGroups>(),
    row::<mount_targets::DescribeMountTargets>(),
    row::<describe_replication_configurations::DescribeReplicationConfigurations>(),
    row::<On<old_tags::DescribeTags>>(),
    row::<tags::ListTagsForResource>(),
    row::<mount_target_groups::ModifyMountTargetSecurityGroups>(),
    row::<client_connection::NewClientConnection>(),
    row::<account_preferences::PutAccountPreferences>(),
    row::<On<backup_policy::PutBackupPolicy>>(),
    row::<On<file_system_policy::PutFileSystemPolicy>>(),
    row::<On<lifecycle_configuration::PutLifecycleConfiguration>>(),
    row::<tags::TagResource>(),
    row::<tags::UntagResource>(),
    row::<client_connection::UpdateClientConnection>(),
    row::<On<update_file_system::UpdateFileSystem>>(),
    row::<On<file_system_protection::UpdateFileSystemProtection>>(),
];

/// The operations of the model that this version answers with `UnsupportedOperationException`.
pub const UNSUPPORTED: &[&str] = &[
    "CreateReplicationConfiguration",
    "DeleteReplicationConfiguration",
];
