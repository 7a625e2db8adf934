//! Action markers: one type per action that a permit can be for. Those of KMS are here, since the key
//! core demands permits for them; those of another API are in its crate.
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

/// Declares the actions of a service, each with its name in policies.
#[macro_export]
macro_rules! actions {
    ($service:literal: $($name:ident = $text:literal,)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}
            impl $crate::action::Action for $name {
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
