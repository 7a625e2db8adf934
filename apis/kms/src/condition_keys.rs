//! The condition keys of KMS that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>. Keys that the
//! key itself, the caller or the connection supplies stand in `gate/attributes.rs`.

use keyward_engine::gate::supply::ConditionKey;

/// `BypassPolicyLockoutSafetyCheck` of CreateKey and PutKeyPolicy; absent when not sent.
pub const BYPASS_LOCKOUT: ConditionKey = ConditionKey("kms:BypassPolicyLockoutSafetyCheck");
/// The caller's account, where no key supplies it.
pub const CALLER_ACCOUNT: ConditionKey = ConditionKey("kms:CallerAccount");
/// The algorithm of an encryption or decryption, also when it was defaulted.
pub const ENCRYPTION_ALGORITHM: ConditionKey = ConditionKey("kms:EncryptionAlgorithm");
/// `SourceArn` of a new grant's constraint.
pub const GRANT_CONSTRAINT_SOURCE_ARN: ConditionKey = ConditionKey("kms:GrantConstraintSourceArn");
/// Which constraint on the encryption context a grant has; absent without one.
pub const GRANT_CONSTRAINT_TYPE: ConditionKey = ConditionKey("kms:GrantConstraintType");
/// Whether an integrated service calls for its user.
pub const GRANT_IS_FOR_AWS_RESOURCE: ConditionKey = ConditionKey("kms:GrantIsForAWSResource");
/// `Operations` of CreateGrant.
pub const GRANT_OPERATIONS: ConditionKey = ConditionKey("kms:GrantOperations");
/// `GranteePrincipal` of CreateGrant.
pub const GRANTEE_PRINCIPAL: ConditionKey = ConditionKey("kms:GranteePrincipal");
/// `GranteeServicePrincipal` of CreateGrant.
pub const GRANTEE_SERVICE_PRINCIPAL: ConditionKey = ConditionKey("kms:GranteeServicePrincipal");
/// `Origin` of CreateKey.
pub const KEY_ORIGIN: ConditionKey = ConditionKey("kms:KeyOrigin");
/// `KeySpec` of CreateKey.
pub const KEY_SPEC: ConditionKey = ConditionKey("kms:KeySpec");
/// Its deprecated twin.
pub const CUSTOMER_MASTER_KEY_SPEC: ConditionKey = ConditionKey("kms:CustomerMasterKeySpec");
/// `KeyUsage` of CreateKey.
pub const KEY_USAGE: ConditionKey = ConditionKey("kms:KeyUsage");
/// Its deprecated twin.
pub const CUSTOMER_MASTER_KEY_USAGE: ConditionKey = ConditionKey("kms:CustomerMasterKeyUsage");
/// `MultiRegion` of CreateKey.
pub const MULTI_REGION: ConditionKey = ConditionKey("kms:MultiRegion");
/// `PolicyName` of GetKeyPolicy and PutKeyPolicy, `default` when not sent.
pub const POLICY_NAME: ConditionKey = ConditionKey("kms:PolicyName");
/// Whether ReEncrypt's two keys are one.
pub const RE_ENCRYPT_ON_SAME_KEY: ConditionKey = ConditionKey("kms:ReEncryptOnSameKey");
/// `RetiringPrincipal` of CreateGrant.
pub const RETIRING_PRINCIPAL: ConditionKey = ConditionKey("kms:RetiringPrincipal");
/// `RetiringServicePrincipal` of CreateGrant.
pub const RETIRING_SERVICE_PRINCIPAL: ConditionKey = ConditionKey("kms:RetiringServicePrincipal");
/// `RotationPeriodInDays` of EnableKeyRotation.
pub const ROTATION_PERIOD: ConditionKey = ConditionKey("kms:RotationPeriodInDays");
/// `PendingWindowInDays` of ScheduleKeyDeletion.
pub const PENDING_WINDOW: ConditionKey = ConditionKey("kms:ScheduleKeyDeletionPendingWindowInDays");
/// Keys of tags that UntagResource removes.
pub const TAG_KEYS: ConditionKey = ConditionKey("aws:TagKeys");
/// Whole days since the key was last used, or made.
pub const TRAILING_DAYS: ConditionKey = ConditionKey("kms:TrailingDaysWithoutKeyUsage");

/// Every key above, for the tests that hold supply and declaration together.
pub const ALL: &[ConditionKey] = &[
    BYPASS_LOCKOUT,
    CALLER_ACCOUNT,
    ENCRYPTION_ALGORITHM,
    GRANT_CONSTRAINT_SOURCE_ARN,
    GRANT_CONSTRAINT_TYPE,
    GRANT_IS_FOR_AWS_RESOURCE,
    GRANT_OPERATIONS,
    GRANTEE_PRINCIPAL,
    GRANTEE_SERVICE_PRINCIPAL,
    KEY_ORIGIN,
    KEY_SPEC,
    CUSTOMER_MASTER_KEY_SPEC,
    KEY_USAGE,
    CUSTOMER_MASTER_KEY_USAGE,
    MULTI_REGION,
    POLICY_NAME,
    RE_ENCRYPT_ON_SAME_KEY,
    RETIRING_PRINCIPAL,
    RETIRING_SERVICE_PRINCIPAL,
    ROTATION_PERIOD,
    PENDING_WINDOW,
    TAG_KEYS,
    TRAILING_DAYS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_engine::gate::declared::row;

    #[test]
    fn every_key_that_an_operation_supplies_is_declared() {
        for supplied in ALL {
            assert!(row(supplied.0).is_some(), "{}", supplied.0);
        }
    }
}
