//! AWS Organizations: one file per noun, and the table of operations.
//!
//! The management account asks nearly all of it; other members may describe the organization.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/Welcome.html>

pub mod account;
pub mod attachment;
pub mod change;
pub mod condition_keys;
pub mod create_account;
pub mod create_account_status;
pub mod fault;
pub mod list_policies;
pub mod managed;
pub mod members;
pub mod nothing;
pub mod organization;
pub mod page;
pub mod paths;
pub mod policy;
pub mod policy_type;
pub mod records;
pub mod render;
pub mod service_access;
pub mod standing;
pub mod tags;
pub mod tree;
pub mod unit;

use keyward_engine::{
    api::{Api, ApiDescription},
    api_context,
    context::Context,
    fault::Fault,
    gate::declared::DeclaredKey,
    pipeline::{Row, row},
    protocol::{AnswerTo, AwsJson, Wire},
};
use keyward_types::arn::ArnParts;
use keyward_wire::json::Writer;

use crate::managed::Managed;

/// Organizations over AWS JSON 1.1.
#[derive(Clone, Copy, Debug)]
pub enum Organizations {}

api_context!(
    /// The context of a request to Organizations.
    Cx,
    ()
);

static DESCRIPTION: ApiDescription = ApiDescription::of::<Organizations>();

impl Api for Organizations {
    type Protocol = AwsJson;
    type State = ();
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "organizations";
    const TITLE: &'static str = "Organizations";
    const EVENT_SOURCE: &'static str = "organizations.amazonaws.com";
    const WIRE: Wire = Wire::Json {
        target_prefix: "AWSOrganizationsV20161128.",
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const UNSUPPORTED: &'static [&'static str] = UNSUPPORTED;
    const INTERNAL: &'static str = "ServiceException";
    const BARE: bool = true;
    const THROTTLED: (&'static str, &'static str) = (
        "TooManyRequestsException",
        "You have sent too many requests in too short a period of time. The quota helps protect against denial-of-service attacks. Try again later.",
    );
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a Self::State) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match arn.resource.split_once('/')? {
            ("account", _) => Some("AWS::Organizations::Account"),
            ("organization", _) => Some("AWS::Organizations::Organization"),
            ("ou", _) => Some("AWS::Organizations::OrganizationalUnit"),
            ("policy", _) => Some("AWS::Organizations::Policy"),
            _ => None,
        }
    }

    fn render_fault(fault: &Fault, _asked: &AnswerTo<'_>) -> Vec<u8> {
        Writer::render(128, |body| {
            body.string("__type", fault.code());
            if let Some(message) = fault.message() {
                body.string("Message", message);
            }
            if let Some(reason) = fault.reason() {
                body.string("Reason", reason);
            }
        })
    }
}

/// The operations served, in alphabetical order.
pub const OPERATIONS: &[Row] = &[
    row::<Managed<attachment::AttachPolicy>>(),
    row::<create_account::CreateAccount>(),
    row::<organization::CreateOrganization>(),
    row::<Managed<unit::CreateOrganizationalUnit>>(),
    row::<Managed<policy::CreatePolicy>>(),
    row::<organization::DeleteOrganization>(),
    row::<Managed<unit::DeleteOrganizationalUnit>>(),
    row::<Managed<policy::DeletePolicy>>(),
    row::<Managed<account::DescribeAccount>>(),
    row::<create_account_status::DescribeCreateAccountStatus>(),
    row::<organization::DescribeOrganization>(),
    row::<Managed<unit::DescribeOrganizationalUnit>>(),
    row::<Managed<policy::DescribePolicy>>(),
    row::<Managed<nothing::DescribeResourcePolicy>>(),
    row::<Managed<attachment::DetachPolicy>>(),
    row::<Managed<service_access::DisableAWSServiceAccess>>(),
    row::<Managed<policy_type::DisablePolicyType>>(),
    row::<Managed<service_access::EnableAWSServiceAccess>>(),
    row::<Managed<policy_type::EnablePolicyType>>(),
    row::<Managed<service_access::ListAWSServiceAccessForOrganization>>(),
    row::<Managed<account::ListAccounts>>(),
    row::<Managed<tree::ListAccountsForParent>>(),
    row::<Managed<tree::ListChildren>>(),
    row::<create_account_status::ListCreateAccountStatus>(),
    row::<Managed<nothing::ListDelegatedAdministrators>>(),
    row::<Managed<nothing::ListDelegatedServicesForAccount>>(),
    row::<nothing::ListHandshakesForAccount>(),
    row::<Managed<nothing::ListHandshakesForOrganization>>(),
    row::<Managed<tree::ListOrganizationalUnitsForParent>>(),
    row::<Managed<tree::ListParents>>(),
    row::<Managed<list_policies::ListPolicies>>(),
    row::<Managed<attachment::ListPoliciesForTarget>>(),
    row::<Managed<tree::ListRoots>>(),
    row::<Managed<tags::ListTagsForResource>>(),
    row::<Managed<attachment::ListTargetsForPolicy>>(),
    row::<Managed<account::MoveAccount>>(),
    row::<Managed<tags::TagResource>>(),
    row::<Managed<tags::UntagResource>>(),
    row::<Managed<unit::UpdateOrganizationalUnit>>(),
    row::<Managed<policy::UpdatePolicy>>(),
];

/// The operations of the model that this version answers with `UnsupportedOperationException`.
pub const UNSUPPORTED: &[&str] = &[
    "AcceptHandshake",
    "CancelHandshake",
    "CloseAccount",
    "CreateGovCloudAccount",
    "DeclineHandshake",
    "DeleteResourcePolicy",
    "DeregisterDelegatedAdministrator",
    "DescribeEffectivePolicy",
    "DescribeHandshake",
    "DescribeResponsibilityTransfer",
    "EnableAllFeatures",
    "InviteAccountToOrganization",
    "InviteOrganizationToTransferResponsibility",
    "LeaveOrganization",
    "ListAccountsWithInvalidEffectivePolicy",
    "ListEffectivePolicyValidationErrors",
    "ListInboundResponsibilityTransfers",
    "ListOutboundResponsibilityTransfers",
    "PutResourcePolicy",
    "RegisterDelegatedAdministrator",
    "RemoveAccountFromOrganization",
    "TerminateResponsibilityTransfer",
    "UpdateResponsibilityTransfer",
];
