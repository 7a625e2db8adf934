//! What the audit trail shows of every member of every operation of IAM.
//!
//! Passwords, private keys and codes never stand on the trail.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/>

use keyward_engine::audit::parameters::{
    Declared, Parameter, boolean, integer, structure, structures, text, texts,
};

const TAG: &[Parameter] = &[text("Key"), text("Value")];

const ORGANIZATION_POLICIES: &[Parameter] = &[texts("ServiceControlPolicyInputList")];
const CONTEXT_ENTRY: &[Parameter] = &[
    text("ContextKeyName"),
    texts("ContextKeyValues"),
    text("ContextKeyType"),
];
const INLINE_POLICY: &[Parameter] = &[
    text("PolicyName"),
    text("AttachmentType"),
    text("AttachmentName"),
];
const EXCLUDED_POLICY: &[Parameter] = &[
    text("PolicyType"),
    text("PolicyArn"),
    structure("InlinePolicyIdentifier", INLINE_POLICY),
];

/// The rows, in the alphabet's order; members in the order of AWS's model.
pub const PARAMETERS: &[Declared] = &[
    (
        "AddClientIDToOpenIDConnectProvider",
        &[text("OpenIDConnectProviderArn"), text("ClientID")],
    ),
    (
        "AddRoleToInstanceProfile",
        &[text("InstanceProfileName"), text("RoleName")],
    ),
    ("AddUserToGroup", &[text("GroupName"), text("UserName")]),
    ("AttachGroupPolicy", &[text("GroupName"), text("PolicyArn")]),
    ("AttachRolePolicy", &[text("RoleName"), text("PolicyArn")]),
    ("AttachUserPolicy", &[text("UserName"), text("PolicyArn")]),
    ("CreateAccessKey", &[text("UserName")]),
    ("CreateAccountAlias", &[text("AccountAlias")]),
    ("CreateGroup", &[text("Path"), text("GroupName")]),
    (
        "CreateInstanceProfile",
        &[
            text("InstanceProfileName"),
            text("Path"),
            structures("Tags", TAG),
        ],
    ),
    (
        "CreateOpenIDConnectProvider",
        &[
            text("Url"),
            texts("ClientIDList"),
            texts("ThumbprintList"),
            structures("Tags", TAG),
        ],
    ),
    (
        "CreatePolicy",
        &[
            text("PolicyName"),
            text("Path"),
            text("PolicyDocument"),
            text("Description"),
            structures("Tags", TAG),
        ],
    ),
    (
        "CreatePolicyVersion",
        &[
            text("PolicyArn"),
            text("PolicyDocument"),
            boolean("SetAsDefault"),
        ],
    ),
    (
        "CreateRole",
        &[
            text("Path"),
            text("RoleName"),
            text("AssumeRolePolicyDocument"),
            text("Description"),
            integer("MaxSessionDuration"),
            text("PermissionsBoundary"),
            structures("Tags", TAG),
        ],
    ),
    (
        "CreateServiceLinkedRole",
        &[
            text("AWSServiceName"),
            text("Description"),
            text("CustomSuffix"),
        ],
    ),
    (
        "CreateUser",
        &[
            text("Path"),
            text("UserName"),
            text("PermissionsBoundary"),
            structures("Tags", TAG),
        ],
    ),
    ("DeleteAccessKey", &[text("UserName"), text("AccessKeyId")]),
    ("DeleteAccountAlias", &[text("AccountAlias")]),
    ("DeleteGroup", &[text("GroupName")]),
    (
        "DeleteGroupPolicy",
        &[text("GroupName"), text("PolicyName")],
    ),
    ("DeleteInstanceProfile", &[text("InstanceProfileName")]),
    ("DeleteLoginProfile", &[text("UserName")]),
    (
        "DeleteOpenIDConnectProvider",
        &[text("OpenIDConnectProviderArn")],
    ),
    ("DeletePolicy", &[text("PolicyArn")]),
    (
        "DeletePolicyVersion",
        &[text("PolicyArn"), text("VersionId")],
    ),
    ("DeleteRole", &[text("RoleName")]),
    ("DeleteRolePermissionsBoundary", &[text("RoleName")]),
    ("DeleteRolePolicy", &[text("RoleName"), text("PolicyName")]),
    ("DeleteServiceLinkedRole", &[text("RoleName")]),
    ("DeleteUser", &[text("UserName")]),
    ("DeleteUserPermissionsBoundary", &[text("UserName")]),
    ("DeleteUserPolicy", &[text("UserName"), text("PolicyName")]),
    ("DetachGroupPolicy", &[text("GroupName"), text("PolicyArn")]),
    ("DetachRolePolicy", &[text("RoleName"), text("PolicyArn")]),
    ("DetachUserPolicy", &[text("UserName"), text("PolicyArn")]),
    ("GenerateCredentialReport", &[]),
    (
        "GenerateServiceLastAccessedDetails",
        &[text("Arn"), text("Granularity")],
    ),
    ("GetAccessKeyLastUsed", &[text("AccessKeyId")]),
    (
        "GetAccountAuthorizationDetails",
        &[texts("Filter"), integer("MaxItems"), text("Marker")],
    ),
    ("GetAccountPasswordPolicy", &[]),
    ("GetAccountSummary", &[]),
    ("GetContextKeysForCustomPolicy", &[texts("PolicyInputList")]),
    (
        "GetContextKeysForPrincipalPolicy",
        &[text("PolicySourceArn"), texts("PolicyInputList")],
    ),
    ("GetCredentialReport", &[]),
    (
        "GetGroup",
        &[text("GroupName"), text("Marker"), integer("MaxItems")],
    ),
    ("GetGroupPolicy", &[text("GroupName"), text("PolicyName")]),
    ("GetInstanceProfile", &[text("InstanceProfileName")]),
    ("GetLoginProfile", &[text("UserName")]),
    (
        "GetOpenIDConnectProvider",
        &[text("OpenIDConnectProviderArn")],
    ),
    ("GetPolicy", &[text("PolicyArn")]),
    ("GetPolicyVersion", &[text("PolicyArn"), text("VersionId")]),
    ("GetRole", &[text("RoleName")]),
    ("GetRolePolicy", &[text("RoleName"), text("PolicyName")]),
    ("GetSAMLProvider", &[text("SAMLProviderArn")]),
    ("GetServerCertificate", &[text("ServerCertificateName")]),
    (
        "GetServiceLastAccessedDetails",
        &[text("JobId"), integer("MaxItems"), text("Marker")],
    ),
    (
        "GetServiceLastAccessedDetailsWithEntities",
        &[
            text("JobId"),
            text("ServiceNamespace"),
            integer("MaxItems"),
            text("Marker"),
        ],
    ),
    (
        "GetServiceLinkedRoleDeletionStatus",
        &[text("DeletionTaskId")],
    ),
    ("GetUser", &[text("UserName")]),
    ("GetUserPolicy", &[text("UserName"), text("PolicyName")]),
    (
        "ListAccessKeys",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    ("ListAccountAliases", &[text("Marker"), integer("MaxItems")]),
    (
        "ListAttachedGroupPolicies",
        &[
            text("GroupName"),
            text("PathPrefix"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListAttachedRolePolicies",
        &[
            text("RoleName"),
            text("PathPrefix"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListAttachedUserPolicies",
        &[
            text("UserName"),
            text("PathPrefix"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListEntitiesForPolicy",
        &[
            text("PolicyArn"),
            text("EntityFilter"),
            text("PathPrefix"),
            text("PolicyUsageFilter"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListGroupPolicies",
        &[text("GroupName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListGroups",
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListGroupsForUser",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListInstanceProfileTags",
        &[
            text("InstanceProfileName"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListInstanceProfiles",
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListInstanceProfilesForRole",
        &[text("RoleName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListMFADevices",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListOpenIDConnectProviderTags",
        &[
            text("OpenIDConnectProviderArn"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    ("ListOpenIDConnectProviders", &[]),
    (
        "ListPolicies",
        &[
            text("Scope"),
            boolean("OnlyAttached"),
            text("PathPrefix"),
            text("PolicyUsageFilter"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListPolicyTags",
        &[text("PolicyArn"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListPolicyVersions",
        &[text("PolicyArn"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListRolePolicies",
        &[text("RoleName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListRoleTags",
        &[text("RoleName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListRoles",
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")],
    ),
    ("ListSAMLProviders", &[]),
    (
        "ListSSHPublicKeys",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListServerCertificates",
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListServiceSpecificCredentials",
        &[
            text("UserName"),
            text("ServiceName"),
            boolean("AllUsers"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "ListSigningCertificates",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListUserPolicies",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListUserTags",
        &[text("UserName"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListUsers",
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")],
    ),
    (
        "ListVirtualMFADevices",
        &[
            text("AssignmentStatus"),
            text("Marker"),
            integer("MaxItems"),
        ],
    ),
    (
        "PutGroupPolicy",
        &[
            text("GroupName"),
            text("PolicyName"),
            text("PolicyDocument"),
        ],
    ),
    (
        "PutRolePermissionsBoundary",
        &[text("RoleName"), text("PermissionsBoundary")],
    ),
    (
        "PutRolePolicy",
        &[text("RoleName"), text("PolicyName"), text("PolicyDocument")],
    ),
    (
        "PutUserPermissionsBoundary",
        &[text("UserName"), text("PermissionsBoundary")],
    ),
    (
        "PutUserPolicy",
        &[text("UserName"), text("PolicyName"), text("PolicyDocument")],
    ),
    (
        "RemoveClientIDFromOpenIDConnectProvider",
        &[text("OpenIDConnectProviderArn"), text("ClientID")],
    ),
    (
        "RemoveRoleFromInstanceProfile",
        &[text("InstanceProfileName"), text("RoleName")],
    ),
    (
        "RemoveUserFromGroup",
        &[text("GroupName"), text("UserName")],
    ),
    (
        "SetDefaultPolicyVersion",
        &[text("PolicyArn"), text("VersionId")],
    ),
    (
        "SimulateCustomPolicy",
        &[
            texts("PolicyInputList"),
            texts("PermissionsBoundaryPolicyInputList"),
            structures("OrderedOrganizationPolicyInputList", ORGANIZATION_POLICIES),
            texts("ActionNames"),
            texts("ResourceArns"),
            text("ResourcePolicy"),
            text("ResourceOwner"),
            text("CallerArn"),
            structures("ContextEntries", CONTEXT_ENTRY),
            text("ResourceHandlingOption"),
            integer("MaxItems"),
            text("Marker"),
        ],
    ),
    (
        "SimulatePrincipalPolicy",
        &[
            text("PolicySourceArn"),
            texts("PolicyInputList"),
            texts("PermissionsBoundaryPolicyInputList"),
            structures("PolicyExclusionList", EXCLUDED_POLICY),
            texts("ActionNames"),
            texts("ResourceArns"),
            text("ResourcePolicy"),
            text("ResourceOwner"),
            text("CallerArn"),
            structures("ContextEntries", CONTEXT_ENTRY),
            text("ResourceHandlingOption"),
            integer("MaxItems"),
            text("Marker"),
        ],
    ),
    (
        "TagInstanceProfile",
        &[text("InstanceProfileName"), structures("Tags", TAG)],
    ),
    (
        "TagOpenIDConnectProvider",
        &[text("OpenIDConnectProviderArn"), structures("Tags", TAG)],
    ),
    ("TagPolicy", &[text("PolicyArn"), structures("Tags", TAG)]),
    ("TagRole", &[text("RoleName"), structures("Tags", TAG)]),
    ("TagUser", &[text("UserName"), structures("Tags", TAG)]),
    (
        "UntagInstanceProfile",
        &[text("InstanceProfileName"), texts("TagKeys")],
    ),
    (
        "UntagOpenIDConnectProvider",
        &[text("OpenIDConnectProviderArn"), texts("TagKeys")],
    ),
    ("UntagPolicy", &[text("PolicyArn"), texts("TagKeys")]),
    ("UntagRole", &[text("RoleName"), texts("TagKeys")]),
    ("UntagUser", &[text("UserName"), texts("TagKeys")]),
    (
        "UpdateAccessKey",
        &[text("UserName"), text("AccessKeyId"), text("Status")],
    ),
    (
        "UpdateAssumeRolePolicy",
        &[text("RoleName"), text("PolicyDocument")],
    ),
    (
        "UpdateGroup",
        &[text("GroupName"), text("NewPath"), text("NewGroupName")],
    ),
    (
        "UpdateOpenIDConnectProviderThumbprint",
        &[text("OpenIDConnectProviderArn"), texts("ThumbprintList")],
    ),
    (
        "UpdateRole",
        &[
            text("RoleName"),
            text("Description"),
            integer("MaxSessionDuration"),
        ],
    ),
    (
        "UpdateRoleDescription",
        &[text("RoleName"), text("Description")],
    ),
    (
        "UpdateUser",
        &[text("UserName"), text("NewPath"), text("NewUserName")],
    ),
];
