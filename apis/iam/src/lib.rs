//! IAM: one file per noun, and the table of operations.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html>

pub mod absent;
pub mod access_key;
pub mod account;
pub mod attachment;
pub mod boundary;
pub mod by_path;
pub mod condition_keys;
pub mod credential_report;
pub mod deletion_aids;
pub mod entity;
pub mod facets;
pub mod fault;
pub mod group;
pub mod inline_policy;
pub mod instance_profile;
pub mod last_accessed;
pub mod managed_policy;
pub mod names;
pub mod naming;
pub mod newborn;
pub mod nouns;
pub mod oidc_provider;
pub mod on_one;
pub mod page;
pub mod paths;
pub mod records;
pub mod rename;
pub mod reserved;
pub mod role;
pub mod shape;
pub mod simulation;
pub mod stored;
pub mod tag_keys;
pub mod tags;
pub mod user;

use keyward_engine::{
    api::{Api, ApiDescription},
    api_context,
    caller::Caller,
    context::Context,
    counts::CountedKind,
    fault::Fault,
    gate::declared::DeclaredKey,
    pipeline::{Row, row},
    protocol::{AwsQuery, Wire},
    session::Subject,
};
use keyward_types::arn::ArnParts;
use keyward_wire::sigv4::AuthError;

use crate::{
    by_path::ByPath,
    newborn::Creation,
    on_one::{ListOf, One},
};

/// IAM over the Query protocol.
#[derive(Clone, Copy, Debug)]
pub enum Iam {}

api_context!(
    /// The context of a request to IAM.
    Cx,
    ()
);

static DESCRIPTION: ApiDescription = ApiDescription::of::<Iam>();

impl Api for Iam {
    type Protocol = AwsQuery;
    type State = ();
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "iam";
    const TITLE: &'static str = "IAM";
    const EVENT_SOURCE: &'static str = "iam.amazonaws.com";
    const WIRE: Wire = Wire::Query {
        version: "2010-05-08",
        namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
        items: &[],
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;
    const COUNTED: &'static [CountedKind] = &[
        CountedKind::Global(paths::USER),
        CountedKind::Global(paths::ROLE),
        CountedKind::Global(paths::GROUP),
        CountedKind::Global(paths::POLICY),
        CountedKind::Global(paths::INSTANCE_PROFILE),
    ];

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a Self::State) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        let (noun, name) = arn.resource.split_once('/')?;
        // What is listed is not a resource.
        if name.is_empty() || name.ends_with(['/', '*']) {
            return None;
        }
        match (noun, name) {
            ("group", _) => Some("AWS::IAM::Group"),
            ("instance-profile", _) => Some("AWS::IAM::InstanceProfile"),
            ("mfa", _) => Some("AWS::IAM::VirtualMFADevice"),
            ("oidc-provider", _) => Some("AWS::IAM::OIDCProvider"),
            ("policy", _) => Some("AWS::IAM::Policy"),
            ("role", _) => Some("AWS::IAM::Role"),
            ("saml-provider", _) => Some("AWS::IAM::SAMLProvider"),
            ("server-certificate", _) => Some("AWS::IAM::ServerCertificate"),
            ("user", _) => Some("AWS::IAM::User"),
            _ => None,
        }
    }

    fn restricted(_caller: &Caller, subject: &Subject, _operation: &str) -> Option<Fault> {
        match subject {
            Subject::Role { .. } => None,
            // Actions without a multi-factor device, and there is none. AWS treats them as unknown.
            Subject::Root | Subject::User(_) | Subject::Federated { .. } => {
                let message = AuthError::UnknownAccessKey.to_string();
                let fault = Fault::new("InvalidClientTokenId", Some(message));
                Some(fault.status(403))
            }
        }
    }

    fn contended() -> Fault {
        let message = "The request was rejected because multiple requests to change this object \
                       were submitted simultaneously. Wait a few minutes and submit your request \
                       again.";
        Fault::new("ConcurrentModification", Some(message.to_owned())).status(409)
    }
}

/// The operations served, in alphabetical order.
pub const OPERATIONS: &[Row] = &[
    row::<One<oidc_provider::client_ids::AddClientIDToOpenIDConnectProvider>>(),
    row::<instance_profile::role::AddRoleToInstanceProfile>(),
    row::<One<group::membership::AddUserToGroup>>(),
    row::<One<attachment::Attach<attachment::AttachGroupPolicy>>>(),
    row::<One<attachment::Attach<attachment::AttachRolePolicy>>>(),
    row::<One<attachment::Attach<attachment::AttachUserPolicy>>>(),
    row::<One<access_key::CreateAccessKey>>(),
    row::<One<account::alias::CreateAccountAlias>>(),
    row::<Creation<group::CreateGroup>>(),
    row::<Creation<instance_profile::CreateInstanceProfile>>(),
    row::<oidc_provider::create::CreateOpenIDConnectProvider>(),
    row::<Creation<managed_policy::CreatePolicy>>(),
    row::<One<managed_policy::version::CreatePolicyVersion>>(),
    row::<Creation<role::CreateRole>>(),
    row::<role::service_linked::CreateServiceLinkedRole>(),
    row::<Creation<user::CreateUser>>(),
    row::<One<access_key::DeleteAccessKey>>(),
    row::<One<account::alias::DeleteAccountAlias>>(),
    row::<One<group::DeleteGroup>>(),
    row::<One<inline_policy::Delete<inline_policy::DeleteGroupPolicy>>>(),
    row::<One<instance_profile::DeleteInstanceProfile>>(),
    row::<deletion_aids::LoginProfile<deletion_aids::DeleteLoginProfile>>(),
    row::<One<oidc_provider::delete::DeleteOpenIDConnectProvider>>(),
    row::<One<managed_policy::DeletePolicy>>(),
    row::<One<managed_policy::version::DeletePolicyVersion>>(),
    row::<One<role::DeleteRole>>(),
    row::<One<boundary::Delete<boundary::DeleteRolePermissionsBoundary>>>(),
    row::<One<inline_policy::Delete<inline_policy::DeleteRolePolicy>>>(),
    row::<One<role::service_linked::DeleteServiceLinkedRole>>(),
    row::<One<user::DeleteUser>>(),
    row::<One<boundary::Delete<boundary::DeleteUserPermissionsBoundary>>>(),
    row::<One<inline_policy::Delete<inline_policy::DeleteUserPolicy>>>(),
    row::<One<attachment::Detach<attachment::DetachGroupPolicy>>>(),
    row::<One<attachment::Detach<attachment::DetachRolePolicy>>>(),
    row::<One<attachment::Detach<attachment::DetachUserPolicy>>>(),
    row::<One<credential_report::GenerateCredentialReport>>(),
    row::<last_accessed::GenerateServiceLastAccessedDetails>(),
    row::<access_key::list::GetAccessKeyLastUsed>(),
    row::<account::authorization_details::GetAccountAuthorizationDetails>(),
    row::<One<absent::GetAccountPasswordPolicy>>(),
    row::<One<account::GetAccountSummary>>(),
    row::<simulation::context_keys::GetContextKeysForCustomPolicy>(),
    row::<simulation::context_keys::GetContextKeysForPrincipalPolicy>(),
    row::<One<credential_report::GetCredentialReport>>(),
    row::<One<ListOf<group::GetGroup>>>(),
    row::<One<inline_policy::Get<inline_policy::GetGroupPolicy>>>(),
    row::<One<instance_profile::GetInstanceProfile>>(),
    row::<deletion_aids::LoginProfile<deletion_aids::GetLoginProfile>>(),
    row::<One<oidc_provider::get::GetOpenIDConnectProvider>>(),
    row::<One<managed_policy::GetPolicy>>(),
    row::<One<managed_policy::version::GetPolicyVersion>>(),
    row::<One<role::GetRole>>(),
    row::<One<inline_policy::Get<inline_policy::GetRolePolicy>>>(),
    row::<absent::Get<absent::GetSAMLProvider>>(),
    row::<absent::Get<absent::GetServerCertificate>>(),
    row::<last_accessed::Get<last_accessed::GetServiceLastAccessedDetails>>(),
    row::<last_accessed::Get<last_accessed::GetServiceLastAccessedDetailsWithEntities>>(),
    row::<role::service_linked::GetServiceLinkedRoleDeletionStatus>(),
    row::<user::GetUser>(),
    row::<One<inline_policy::Get<inline_policy::GetUserPolicy>>>(),
    row::<One<access_key::list::ListAccessKeys>>(),
    row::<One<account::alias::ListAccountAliases>>(),
    row::<One<attachment::ListAttached<attachment::ListAttachedGroupPolicies>>>(),
    row::<One<attachment::ListAttached<attachment::ListAttachedRolePolicies>>>(),
    row::<One<attachment::ListAttached<attachment::ListAttachedUserPolicies>>>(),
    row::<One<managed_policy::entities::ListEntitiesForPolicy>>(),
    row::<One<ListOf<inline_policy::NamesOf<inline_policy::ListGroupPolicies>>>>(),
    row::<One<ByPath<group::ListGroups>>>(),
    row::<One<ListOf<group::membership::ListGroupsForUser>>>(),
    row::<One<ListOf<tags::TagsOf<tags::ListInstanceProfileTags>>>>(),
    row::<One<ByPath<instance_profile::list::ListInstanceProfiles>>>(),
    row::<One<ListOf<instance_profile::list::ListInstanceProfilesForRole>>>(),
    row::<deletion_aids::OfUser<deletion_aids::ListMFADevices>>(),
    row::<One<ListOf<oidc_provider::tags::ListOpenIDConnectProviderTags>>>(),
    row::<One<oidc_provider::list::ListOpenIDConnectProviders>>(),
    row::<managed_policy::list::ListPolicies>(),
    row::<One<ListOf<tags::TagsOf<tags::ListPolicyTags>>>>(),
    row::<One<ListOf<managed_policy::version::ListPolicyVersions>>>(),
    row::<One<ListOf<inline_policy::NamesOf<inline_policy::ListRolePolicies>>>>(),
    row::<One<ListOf<tags::TagsOf<tags::ListRoleTags>>>>(),
    row::<One<ByPath<role::list::ListRoles>>>(),
    row::<One<absent::ListSAMLProviders>>(),
    row::<deletion_aids::OfUser<deletion_aids::ListSSHPublicKeys>>(),
    row::<One<absent::ListServerCertificates>>(),
    row::<deletion_aids::OfUser<deletion_aids::ListServiceSpecificCredentials>>(),
    row::<deletion_aids::OfUser<deletion_aids::ListSigningCertificates>>(),
    row::<One<ListOf<inline_policy::NamesOf<inline_policy::ListUserPolicies>>>>(),
    row::<One<ListOf<tags::TagsOf<tags::ListUserTags>>>>(),
    row::<One<ByPath<user::list::ListUsers>>>(),
    row::<One<deletion_aids::ListVirtualMFADevices>>(),
    row::<One<inline_policy::Put<inline_policy::PutGroupPolicy>>>(),
    row::<One<boundary::Put<boundary::PutRolePermissionsBoundary>>>(),
    row::<One<inline_policy::Put<inline_policy::PutRolePolicy>>>(),
    row::<One<boundary::Put<boundary::PutUserPermissionsBoundary>>>(),
    row::<One<inline_policy::Put<inline_policy::PutUserPolicy>>>(),
    row::<One<oidc_provider::client_ids::RemoveClientIDFromOpenIDConnectProvider>>(),
    row::<One<instance_profile::role::RemoveRoleFromInstanceProfile>>(),
    row::<One<group::membership::RemoveUserFromGroup>>(),
    row::<One<managed_policy::version::SetDefaultPolicyVersion>>(),
    row::<simulation::SimulateCustomPolicy>(),
    row::<simulation::SimulatePrincipalPolicy>(),
    row::<One<tags::AddTags<tags::TagInstanceProfile>>>(),
    row::<One<oidc_provider::tags::TagOpenIDConnectProvider>>(),
    row::<One<tags::AddTags<tags::TagPolicy>>>(),
    row::<One<tags::AddTags<tags::TagRole>>>(),
    row::<One<tags::AddTags<tags::TagUser>>>(),
    row::<One<tags::RemoveTags<tags::UntagInstanceProfile>>>(),
    row::<One<oidc_provider::tags::UntagOpenIDConnectProvider>>(),
    row::<One<tags::RemoveTags<tags::UntagPolicy>>>(),
    row::<One<tags::RemoveTags<tags::UntagRole>>>(),
    row::<One<tags::RemoveTags<tags::UntagUser>>>(),
    row::<One<access_key::UpdateAccessKey>>(),
    row::<One<role::update::UpdateAssumeRolePolicy>>(),
    row::<rename::Update<rename::UpdateGroup>>(),
    row::<One<oidc_provider::thumbprints::UpdateOpenIDConnectProviderThumbprint>>(),
    row::<One<role::update::UpdateRole>>(),
    row::<One<role::update::UpdateRoleDescription>>(),
    row::<rename::Update<rename::UpdateUser>>(),
];
