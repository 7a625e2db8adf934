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
    "iam":
    CreateAccessKey = "iam:CreateAccessKey",
    CreateUser = "iam:CreateUser",
    DeleteAccessKey = "iam:DeleteAccessKey",
    DeleteUser = "iam:DeleteUser",
    DeleteUserPolicy = "iam:DeleteUserPolicy",
    PutUserPolicy = "iam:PutUserPolicy",
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
        DetachPolicy = "organizations:DetachPolicy",
        DisablePolicyType = "organizations:DisablePolicyType",
        EnablePolicyType = "organizations:EnablePolicyType",
        ListAccounts = "organizations:ListAccounts",
        ListAccountsForParent = "organizations:ListAccountsForParent",
        ListChildren = "organizations:ListChildren",
        ListCreateAccountStatus = "organizations:ListCreateAccountStatus",
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
