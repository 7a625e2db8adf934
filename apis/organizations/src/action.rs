//! The actions of Organizations that a permit can be for.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html>

use keyward_types::actions;

actions! {
    "organizations":
    AttachPolicy = "organizations:AttachPolicy",
    CreateAccount = "organizations:CreateAccount",
    CreateOrganization = "organizations:CreateOrganization",
    CreateOrganizationalUnit = "organizations:CreateOrganizationalUnit",
    CreatePolicy = "organizations:CreatePolicy",
    DeleteOrganization = "organizations:DeleteOrganization",
    DeleteOrganizationalUnit = "organizations:DeleteOrganizationalUnit",
    DeletePolicy = "organizations:DeletePolicy",
    DescribeAccount = "organizations:DescribeAccount",
    DescribeCreateAccountStatus = "organizations:DescribeCreateAccountStatus",
    DescribeOrganization = "organizations:DescribeOrganization",
    DescribeOrganizationalUnit = "organizations:DescribeOrganizationalUnit",
    DescribePolicy = "organizations:DescribePolicy",
    DescribeResourcePolicy = "organizations:DescribeResourcePolicy",
    DetachPolicy = "organizations:DetachPolicy",
    DisableAWSServiceAccess = "organizations:DisableAWSServiceAccess",
    DisablePolicyType = "organizations:DisablePolicyType",
    EnableAWSServiceAccess = "organizations:EnableAWSServiceAccess",
    EnablePolicyType = "organizations:EnablePolicyType",
    ListAWSServiceAccessForOrganization = "organizations:ListAWSServiceAccessForOrganization",
    ListAccounts = "organizations:ListAccounts",
    ListAccountsForParent = "organizations:ListAccountsForParent",
    ListChildren = "organizations:ListChildren",
    ListCreateAccountStatus = "organizations:ListCreateAccountStatus",
    ListDelegatedAdministrators = "organizations:ListDelegatedAdministrators",
    ListDelegatedServicesForAccount = "organizations:ListDelegatedServicesForAccount",
    ListHandshakesForAccount = "organizations:ListHandshakesForAccount",
    ListHandshakesForOrganization = "organizations:ListHandshakesForOrganization",
    ListOrganizationalUnitsForParent = "organizations:ListOrganizationalUnitsForParent",
    ListParents = "organizations:ListParents",
    ListPolicies = "organizations:ListPolicies",
    ListPoliciesForTarget = "organizations:ListPoliciesForTarget",
    ListRoots = "organizations:ListRoots",
    ListTagsForResource = "organizations:ListTagsForResource",
    ListTargetsForPolicy = "organizations:ListTargetsForPolicy",
    MoveAccount = "organizations:MoveAccount",
    TagResource = "organizations:TagResource",
    UntagResource = "organizations:UntagResource",
    UpdateOrganizationalUnit = "organizations:UpdateOrganizationalUnit",
    UpdatePolicy = "organizations:UpdatePolicy",
}
