//! Amazon RDS: PostgreSQL databases under KMS keys. The control plane: what there shall be, under which key, and
//! whether it runs. Agents run the databases on encrypted volumes, see `keyward-api-own`.
//!
//! A DB instance is a volume with a database, and a record of its own. Its status is never stored: it follows from
//! what is wanted of the two and what the agent says of them (`instance`).
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/Welcome.html>

pub mod certificate;
pub mod certificates;
pub mod classes;
pub mod condition_keys;
pub mod copy_db_snapshot;
pub mod create_db_instance;
pub mod create_db_snapshot;
pub mod create_db_subnet_group;
pub mod data_key;
pub mod delete_db_instance;
pub mod delete_db_snapshot;
pub mod dependents;
pub mod describe_db_instances;
pub mod describe_db_snapshots;
pub mod ending;
pub mod engine_versions;
pub mod events;
pub mod facts;
pub mod fault;
pub mod groups;
pub mod held_key;
pub mod installed;
pub mod instance;
pub mod members;
pub mod modify_db_instance;
pub mod modify_db_subnet_group;
pub mod new_instance;
pub mod on_instance;
pub mod orderable_options;
pub mod page;
pub mod parameter_groups;
pub mod protected;
pub mod records;
pub mod reserved;
pub mod restore_db_instance_from_db_snapshot;
pub mod shown;
pub mod shown_snapshot;
pub mod snapshot;
pub mod snapshot_attributes;
pub mod snapshotting;
pub mod states;
pub mod storage;
pub mod subnet_group;
pub mod subnet_groups;
pub mod tags;
pub mod unsupported;

use std::sync::Arc;

use keyward_engine::{
    api::{Api, ApiDescription, ApiState, FoundFacts, ResourceQuestion},
    api_context,
    context::Context,
    dependents::{Dependents, FoundState},
    fault::Internal,
    forward::{CallsAsServices, Forwards},
    gate::declared::DeclaredKey,
    one_by_one::OneByOne,
    pipeline::{Row, row},
    protocol::{AwsQuery, Wire},
};
use keyward_types::{
    arn::ArnParts,
    key_id::KeyArn,
    via_service::{ActingService, EC2, RDS},
    vpc::Vpcs,
};

use crate::on_instance::On;

/// What the operations of RDS share.
#[derive(Debug, Default)]
pub struct RdsState {
    /// The subnets and security groups that the operator configured.
    pub vpcs: Arc<Vpcs>,
    /// The turns of those who create instances.
    pub creations: OneByOne,
    /// The turns of those who create subnet groups.
    pub groups: OneByOne,
    /// The turns of those who create snapshots.
    pub snapshots: OneByOne,
}

impl ApiState for RdsState {}

/// Amazon RDS over the Query protocol.
#[derive(Clone, Copy, Debug)]
pub enum Rds {}

api_context!(
    /// The context of a request to RDS.
    Cx,
    RdsState
);

static DESCRIPTION: ApiDescription = ApiDescription::of::<Rds>();

impl Api for Rds {
    type Protocol = AwsQuery;
    type State = RdsState;
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "rds";
    const TITLE: &'static str = "RDS";
    const EVENT_SOURCE: &'static str = "rds.amazonaws.com";
    const WIRE: Wire = Wire::Query {
        version: "2014-10-31",
        namespace: "http://rds.amazonaws.com/doc/2014-10-31/",
        items: &[
            "DBSecurityGroupName",
            "EventCategory",
            "Filter",
            "ProcessorFeature",
            "SubnetIdentifier",
            "Tag",
            "Value",
            "VpcSecurityGroupId",
            "item",
        ],
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const UNSUPPORTED: &'static [&'static str] = unsupported::OPERATIONS;
    const INTERNAL: &'static str = "InternalFailure";
    const CALLS_OTHERS: bool = true;
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a RdsState) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match arn.resource.split_once(':')? {
            ("db", _) => Some("AWS::RDS::DBInstance"),
            ("snapshot", _) => Some("AWS::RDS::DBSnapshot"),
            ("subgrp", _) => Some("AWS::RDS::DBSubnetGroup"),
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
}

impl Forwards for Rds {
    const CALLS_AS: &'static ActingService = RDS;
}

impl CallsAsServices for Rds {
    const SERVICES: &'static [&'static ActingService] = &[EC2, RDS];
}

/// The operations served, in the alphabet's order.
pub const OPERATIONS: &[Row] = &[
    row::<tags::AddTagsToResource>(),
    row::<copy_db_snapshot::CopyDBSnapshot>(),
    row::<create_db_instance::CreateDBInstance>(),
    row::<create_db_snapshot::CreateDBSnapshot>(),
    row::<create_db_subnet_group::CreateDBSubnetGroup>(),
    row::<delete_db_instance::DeleteDBInstance>(),
    row::<delete_db_snapshot::DeleteDBSnapshot>(),
    row::<subnet_groups::DeleteDBSubnetGroup>(),
    row::<certificates::DescribeCertificates>(),
    row::<engine_versions::DescribeDBEngineVersions>(),
    row::<describe_db_instances::DescribeDBInstances>(),
    row::<parameter_groups::DescribeDBParameterGroups>(),
    row::<snapshot_attributes::DescribeDBSnapshotAttributes>(),
    row::<describe_db_snapshots::DescribeDBSnapshots>(),
    row::<subnet_groups::DescribeDBSubnetGroups>(),
    row::<events::DescribeEvents>(),
    row::<orderable_options::DescribeOrderableDBInstanceOptions>(),
    row::<tags::ListTagsForResource>(),
    row::<On<modify_db_instance::ModifyDBInstance>>(),
    row::<modify_db_subnet_group::ModifyDBSubnetGroup>(),
    row::<On<states::RebootDBInstance>>(),
    row::<tags::RemoveTagsFromResource>(),
    row::<restore_db_instance_from_db_snapshot::RestoreDBInstanceFromDBSnapshot>(),
    row::<On<states::StartDBInstance>>(),
    row::<On<states::StopDBInstance>>(),
];
