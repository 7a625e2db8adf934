//! What the audit trail shows of every member of every operation of Organizations.
//!
//! As AWS does it, an account's name and address are masked.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/>

use keyward_engine::audit::parameters::{
    Declared, Parameter, integer, masked, structure, structures, text, texts,
};

const TAG: &[Parameter] = &[text("Key"), text("Value")];

const HANDSHAKE_FILTER: &[Parameter] = &[text("ActionType"), text("ParentHandshakeId")];

/// The rows, in the alphabet's order; members in the order of AWS's model.
pub const PARAMETERS: &[Declared] = &[
    ("AttachPolicy", &[text("PolicyId"), text("TargetId")]),
    (
        "CreateAccount",
        &[
            masked("Email"),
            masked("AccountName"),
            text("RoleName"),
            text("IamUserAccessToBilling"),
            structures("Tags", TAG),
        ],
    ),
    ("CreateOrganization", &[text("FeatureSet")]),
    (
        "CreateOrganizationalUnit",
        &[text("ParentId"), text("Name"), structures("Tags", TAG)],
    ),
    (
        "CreatePolicy",
        &[
            text("Content"),
            text("Description"),
            text("Name"),
            text("Type"),
            structures("Tags", TAG),
        ],
    ),
    ("DeleteOrganization", &[]),
    ("DeleteOrganizationalUnit", &[text("OrganizationalUnitId")]),
    ("DeletePolicy", &[text("PolicyId")]),
    ("DescribeAccount", &[text("AccountId")]),
    (
        "DescribeCreateAccountStatus",
        &[text("CreateAccountRequestId")],
    ),
    ("DescribeOrganization", &[]),
    (
        "DescribeOrganizationalUnit",
        &[text("OrganizationalUnitId")],
    ),
    ("DescribePolicy", &[text("PolicyId")]),
    ("DescribeResourcePolicy", &[]),
    ("DetachPolicy", &[text("PolicyId"), text("TargetId")]),
    ("DisableAWSServiceAccess", &[text("ServicePrincipal")]),
    ("DisablePolicyType", &[text("RootId"), text("PolicyType")]),
    ("EnableAWSServiceAccess", &[text("ServicePrincipal")]),
    ("EnablePolicyType", &[text("RootId"), text("PolicyType")]),
    (
        "ListAWSServiceAccessForOrganization",
        &[text("NextToken"), integer("MaxResults")],
    ),
    ("ListAccounts", &[text("NextToken"), integer("MaxResults")]),
    (
        "ListAccountsForParent",
        &[text("ParentId"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "ListChildren",
        &[
            text("ParentId"),
            text("ChildType"),
            text("NextToken"),
            integer("MaxResults"),
        ],
    ),
    (
        "ListCreateAccountStatus",
        &[texts("States"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "ListDelegatedAdministrators",
        &[
            text("ServicePrincipal"),
            text("NextToken"),
            integer("MaxResults"),
        ],
    ),
    (
        "ListDelegatedServicesForAccount",
        &[text("AccountId"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "ListHandshakesForAccount",
        &[
            structure("Filter", HANDSHAKE_FILTER),
            text("NextToken"),
            integer("MaxResults"),
        ],
    ),
    (
        "ListHandshakesForOrganization",
        &[
            structure("Filter", HANDSHAKE_FILTER),
            text("NextToken"),
            integer("MaxResults"),
        ],
    ),
    (
        "ListOrganizationalUnitsForParent",
        &[text("ParentId"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "ListParents",
        &[text("ChildId"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "ListPolicies",
        &[text("Filter"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "ListPoliciesForTarget",
        &[
            text("TargetId"),
            text("Filter"),
            text("NextToken"),
            integer("MaxResults"),
        ],
    ),
    ("ListRoots", &[text("NextToken"), integer("MaxResults")]),
    (
        "ListTagsForResource",
        &[text("ResourceId"), text("NextToken")],
    ),
    (
        "ListTargetsForPolicy",
        &[text("PolicyId"), text("NextToken"), integer("MaxResults")],
    ),
    (
        "MoveAccount",
        &[
            text("AccountId"),
            text("SourceParentId"),
            text("DestinationParentId"),
        ],
    ),
    (
        "TagResource",
        &[text("ResourceId"), structures("Tags", TAG)],
    ),
    ("UntagResource", &[text("ResourceId"), texts("TagKeys")]),
    (
        "UpdateOrganizationalUnit",
        &[text("OrganizationalUnitId"), text("Name")],
    ),
    (
        "UpdatePolicy",
        &[
            text("PolicyId"),
            text("Name"),
            text("Description"),
            text("Content"),
        ],
    ),
];
