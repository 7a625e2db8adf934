//! Action markers: one type per action that a permit can be for.
//!
//! A marker is never made; it only stands in `Permit<action::Encrypt>`, so that a permit for one
//! action does not compile where one for another is wanted.

/// An action of a service, such as `kms:Encrypt`.
pub trait Action: Send + Sync + 'static {
    /// The service prefix, such as `kms`.
    const SERVICE: &'static str;
    /// The action with its prefix, such as `kms:Encrypt`.
    const NAME: &'static str;
    /// The action without its prefix, such as `Encrypt`: for most, the operation's name.
    const OPERATION: &'static str = Self::NAME.split_at(Self::SERVICE.len() + 1).1;
}

macro_rules! actions {
    ($service:literal: $($name:ident = $text:literal,)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}
            impl Action for $name {
                const SERVICE: &'static str = $service;
                const NAME: &'static str = $text;
            }
        )*
    };
}

actions! {
    "kms":
    CancelKeyDeletion = "kms:CancelKeyDeletion",
    CreateAlias = "kms:CreateAlias",
    CreateGrant = "kms:CreateGrant",
    CreateKey = "kms:CreateKey",
    Decrypt = "kms:Decrypt",
    DeleteAlias = "kms:DeleteAlias",
    DescribeCustomKeyStores = "kms:DescribeCustomKeyStores",
    DescribeKey = "kms:DescribeKey",
    DisableKey = "kms:DisableKey",
    DisableKeyRotation = "kms:DisableKeyRotation",
    EnableKey = "kms:EnableKey",
    EnableKeyRotation = "kms:EnableKeyRotation",
    Encrypt = "kms:Encrypt",
    GenerateDataKey = "kms:GenerateDataKey",
    GenerateDataKeyWithoutPlaintext = "kms:GenerateDataKeyWithoutPlaintext",
    GenerateRandom = "kms:GenerateRandom",
    GetKeyLastUsage = "kms:GetKeyLastUsage",
    GetKeyPolicy = "kms:GetKeyPolicy",
    GetKeyRotationStatus = "kms:GetKeyRotationStatus",
    ListAliases = "kms:ListAliases",
    ListGrants = "kms:ListGrants",
    ListKeyPolicies = "kms:ListKeyPolicies",
    ListKeyRotations = "kms:ListKeyRotations",
    ListKeys = "kms:ListKeys",
    ListResourceTags = "kms:ListResourceTags",
    ListRetirableGrants = "kms:ListRetirableGrants",
    PutKeyPolicy = "kms:PutKeyPolicy",
    ReEncryptFrom = "kms:ReEncryptFrom",
    ReEncryptTo = "kms:ReEncryptTo",
    RetireGrant = "kms:RetireGrant",
    RevokeGrant = "kms:RevokeGrant",
    RotateKeyOnDemand = "kms:RotateKeyOnDemand",
    ScheduleKeyDeletion = "kms:ScheduleKeyDeletion",
    TagResource = "kms:TagResource",
    UntagResource = "kms:UntagResource",
    UpdateAlias = "kms:UpdateAlias",
    UpdateKeyDescription = "kms:UpdateKeyDescription",
}

actions! {
    "keyward":
    ExplainDecision = "keyward:ExplainDecision",
    ExplainRecordedDecision = "keyward:ExplainRecordedDecision",
    WhoCan = "keyward:WhoCan",
}

actions! {
    "iam":
    AddClientIDToOpenIDConnectProvider = "iam:AddClientIDToOpenIDConnectProvider",
    AddRoleToInstanceProfile = "iam:AddRoleToInstanceProfile",
    AddUserToGroup = "iam:AddUserToGroup",
    AttachGroupPolicy = "iam:AttachGroupPolicy",
    AttachRolePolicy = "iam:AttachRolePolicy",
    AttachUserPolicy = "iam:AttachUserPolicy",
    CreateAccessKey = "iam:CreateAccessKey",
    CreateAccountAlias = "iam:CreateAccountAlias",
    CreateGroup = "iam:CreateGroup",
    CreateInstanceProfile = "iam:CreateInstanceProfile",
    CreateOpenIDConnectProvider = "iam:CreateOpenIDConnectProvider",
    CreatePolicy = "iam:CreatePolicy",
    CreatePolicyVersion = "iam:CreatePolicyVersion",
    CreateRole = "iam:CreateRole",
    CreateServiceLinkedRole = "iam:CreateServiceLinkedRole",
    CreateUser = "iam:CreateUser",
    DeleteAccessKey = "iam:DeleteAccessKey",
    DeleteAccountAlias = "iam:DeleteAccountAlias",
    DeleteGroup = "iam:DeleteGroup",
    DeleteGroupPolicy = "iam:DeleteGroupPolicy",
    DeleteInstanceProfile = "iam:DeleteInstanceProfile",
    DeleteLoginProfile = "iam:DeleteLoginProfile",
    DeleteOpenIDConnectProvider = "iam:DeleteOpenIDConnectProvider",
    DeletePolicy = "iam:DeletePolicy",
    DeletePolicyVersion = "iam:DeletePolicyVersion",
    DeleteRole = "iam:DeleteRole",
    DeleteRolePermissionsBoundary = "iam:DeleteRolePermissionsBoundary",
    DeleteRolePolicy = "iam:DeleteRolePolicy",
    DeleteServiceLinkedRole = "iam:DeleteServiceLinkedRole",
    DeleteUser = "iam:DeleteUser",
    DeleteUserPermissionsBoundary = "iam:DeleteUserPermissionsBoundary",
    DeleteUserPolicy = "iam:DeleteUserPolicy",
    DetachGroupPolicy = "iam:DetachGroupPolicy",
    DetachRolePolicy = "iam:DetachRolePolicy",
    DetachUserPolicy = "iam:DetachUserPolicy",
    GenerateCredentialReport = "iam:GenerateCredentialReport",
    GenerateServiceLastAccessedDetails = "iam:GenerateServiceLastAccessedDetails",
    GetAccessKeyLastUsed = "iam:GetAccessKeyLastUsed",
    GetAccountAuthorizationDetails = "iam:GetAccountAuthorizationDetails",
    GetAccountPasswordPolicy = "iam:GetAccountPasswordPolicy",
    GetAccountSummary = "iam:GetAccountSummary",
    GetContextKeysForCustomPolicy = "iam:GetContextKeysForCustomPolicy",
    GetContextKeysForPrincipalPolicy = "iam:GetContextKeysForPrincipalPolicy",
    GetCredentialReport = "iam:GetCredentialReport",
    GetGroup = "iam:GetGroup",
    GetGroupPolicy = "iam:GetGroupPolicy",
    GetInstanceProfile = "iam:GetInstanceProfile",
    GetLoginProfile = "iam:GetLoginProfile",
    GetOpenIDConnectProvider = "iam:GetOpenIDConnectProvider",
    GetPolicy = "iam:GetPolicy",
    GetPolicyVersion = "iam:GetPolicyVersion",
    GetRole = "iam:GetRole",
    GetRolePolicy = "iam:GetRolePolicy",
    GetSAMLProvider = "iam:GetSAMLProvider",
    GetServerCertificate = "iam:GetServerCertificate",
    GetServiceLastAccessedDetails = "iam:GetServiceLastAccessedDetails",
    GetServiceLastAccessedDetailsWithEntities = "iam:GetServiceLastAccessedDetailsWithEntities",
    GetServiceLinkedRoleDeletionStatus = "iam:GetServiceLinkedRoleDeletionStatus",
    GetUser = "iam:GetUser",
    GetUserPolicy = "iam:GetUserPolicy",
    ListAccessKeys = "iam:ListAccessKeys",
    ListAccountAliases = "iam:ListAccountAliases",
    ListAttachedGroupPolicies = "iam:ListAttachedGroupPolicies",
    ListAttachedRolePolicies = "iam:ListAttachedRolePolicies",
    ListAttachedUserPolicies = "iam:ListAttachedUserPolicies",
    ListEntitiesForPolicy = "iam:ListEntitiesForPolicy",
    ListGroupPolicies = "iam:ListGroupPolicies",
    ListGroups = "iam:ListGroups",
    ListGroupsForUser = "iam:ListGroupsForUser",
    ListInstanceProfileTags = "iam:ListInstanceProfileTags",
    ListInstanceProfiles = "iam:ListInstanceProfiles",
    ListInstanceProfilesForRole = "iam:ListInstanceProfilesForRole",
    ListMFADevices = "iam:ListMFADevices",
    ListOpenIDConnectProviderTags = "iam:ListOpenIDConnectProviderTags",
    ListOpenIDConnectProviders = "iam:ListOpenIDConnectProviders",
    ListPolicies = "iam:ListPolicies",
    ListPolicyTags = "iam:ListPolicyTags",
    ListPolicyVersions = "iam:ListPolicyVersions",
    ListRolePolicies = "iam:ListRolePolicies",
    ListRoleTags = "iam:ListRoleTags",
    ListRoles = "iam:ListRoles",
    ListSAMLProviders = "iam:ListSAMLProviders",
    ListSSHPublicKeys = "iam:ListSSHPublicKeys",
    ListServerCertificates = "iam:ListServerCertificates",
    ListServiceSpecificCredentials = "iam:ListServiceSpecificCredentials",
    ListSigningCertificates = "iam:ListSigningCertificates",
    ListUserPolicies = "iam:ListUserPolicies",
    ListUserTags = "iam:ListUserTags",
    ListUsers = "iam:ListUsers",
    ListVirtualMFADevices = "iam:ListVirtualMFADevices",
    PassRole = "iam:PassRole",
    PutGroupPolicy = "iam:PutGroupPolicy",
    PutRolePermissionsBoundary = "iam:PutRolePermissionsBoundary",
    PutRolePolicy = "iam:PutRolePolicy",
    PutUserPermissionsBoundary = "iam:PutUserPermissionsBoundary",
    PutUserPolicy = "iam:PutUserPolicy",
    RemoveClientIDFromOpenIDConnectProvider = "iam:RemoveClientIDFromOpenIDConnectProvider",
    RemoveRoleFromInstanceProfile = "iam:RemoveRoleFromInstanceProfile",
    RemoveUserFromGroup = "iam:RemoveUserFromGroup",
    SetDefaultPolicyVersion = "iam:SetDefaultPolicyVersion",
    SimulateCustomPolicy = "iam:SimulateCustomPolicy",
    SimulatePrincipalPolicy = "iam:SimulatePrincipalPolicy",
    TagInstanceProfile = "iam:TagInstanceProfile",
    TagOpenIDConnectProvider = "iam:TagOpenIDConnectProvider",
    TagPolicy = "iam:TagPolicy",
    TagRole = "iam:TagRole",
    TagUser = "iam:TagUser",
    UntagInstanceProfile = "iam:UntagInstanceProfile",
    UntagOpenIDConnectProvider = "iam:UntagOpenIDConnectProvider",
    UntagPolicy = "iam:UntagPolicy",
    UntagRole = "iam:UntagRole",
    UntagUser = "iam:UntagUser",
    UpdateAccessKey = "iam:UpdateAccessKey",
    UpdateAssumeRolePolicy = "iam:UpdateAssumeRolePolicy",
    UpdateGroup = "iam:UpdateGroup",
    UpdateOpenIDConnectProviderThumbprint = "iam:UpdateOpenIDConnectProviderThumbprint",
    UpdateRole = "iam:UpdateRole",
    UpdateRoleDescription = "iam:UpdateRoleDescription",
    UpdateUser = "iam:UpdateUser",
}

actions! {
    "sts":
    AssumeRole = "sts:AssumeRole",
    AssumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity",
    DecodeAuthorizationMessage = "sts:DecodeAuthorizationMessage",
    GetAccessKeyInfo = "sts:GetAccessKeyInfo",
    GetFederationToken = "sts:GetFederationToken",
    SetSourceIdentity = "sts:SetSourceIdentity",
    TagSession = "sts:TagSession",
}

/// The actions of AWS Organizations, some of which have names of other services'.
pub mod organizations {
    use super::Action;

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
}
