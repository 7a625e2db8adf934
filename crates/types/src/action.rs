//! Action markers: one type per action that a permit can be for. These are the ones of KMS for which the
//! key core needs permits. All others are declared where an operation requests them: an operation is the
//! marker of its own action ([`action!`](crate::action!)), and what several operations ask for has a
//! type of its own ([`actions!`](crate::actions!)).
//!
//! A marker is used only as in `Permit<action::Encrypt>`, so that a permit for one action does not
//! compile where one for another is needed.

/// An action of a service, such as `kms:Encrypt`.
pub trait Action: Send + Sync + 'static {
    /// The service prefix, such as `kms`.
    const SERVICE: &'static str;
    /// The action with its prefix, such as `kms:Encrypt`.
    const NAME: &'static str;
    /// The action without its prefix, such as `Encrypt`: for most, the operation's name.
    const OPERATION: &'static str = Self::NAME.split_at(Self::SERVICE.len() + 1).1;
}

/// Makes an operation the marker of its own action, which has that name in policies.
#[macro_export]
macro_rules! action {
    ($service:literal: $operation:ty = $text:literal) => {
        impl $crate::action::Action for $operation {
            const SERVICE: &'static str = $service;
            const NAME: &'static str = $text;
        }
    };
}

/// Declares markers for actions of a service, each with its name in policies.
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
    DescribeKey = "kms:DescribeKey",
    DisableKey = "kms:DisableKey",
    DisableKeyRotation = "kms:DisableKeyRotation",
    EnableKey = "kms:EnableKey",
    EnableKeyRotation = "kms:EnableKeyRotation",
    Encrypt = "kms:Encrypt",
    GenerateDataKey = "kms:GenerateDataKey",
    GenerateDataKeyWithoutPlaintext = "kms:GenerateDataKeyWithoutPlaintext",
    PutKeyPolicy = "kms:PutKeyPolicy",
    ReEncryptFrom = "kms:ReEncryptFrom",
    ReEncryptTo = "kms:ReEncryptTo",
    RotateKeyOnDemand = "kms:RotateKeyOnDemand",
    ScheduleKeyDeletion = "kms:ScheduleKeyDeletion",
    TagResource = "kms:TagResource",
    UntagResource = "kms:UntagResource",
    UpdateAlias = "kms:UpdateAlias",
    UpdateKeyDescription = "kms:UpdateKeyDescription",
}
