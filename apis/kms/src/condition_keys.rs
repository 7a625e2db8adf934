//! The condition keys of KMS that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>. Keys that the
//! key itself, the caller or the connection supplies are in `gate/attributes.rs`.

use keyward_engine::condition_keys;

condition_keys! {
    supplied {
        /// `BypassPolicyLockoutSafetyCheck` of CreateKey and PutKeyPolicy; absent when not sent.
        BYPASS_LOCKOUT = "kms:BypassPolicyLockoutSafetyCheck", Bool, Operation;
        /// The caller's account, where no key supplies it.
        CALLER_ACCOUNT = "kms:CallerAccount", String, Caller;
        /// The algorithm of an encryption or decryption, also when it was defaulted.
        ENCRYPTION_ALGORITHM = "kms:EncryptionAlgorithm", String, Operation;
        /// `SourceArn` of a new grant's constraint.
        GRANT_CONSTRAINT_SOURCE_ARN = "kms:GrantConstraintSourceArn", Arn, Operation;
        /// Which constraint on the encryption context a grant has; absent without one.
        GRANT_CONSTRAINT_TYPE = "kms:GrantConstraintType", String, Operation;
        /// Whether an integrated service calls for its user.
        GRANT_IS_FOR_AWS_RESOURCE = "kms:GrantIsForAWSResource", Bool, Operation;
        /// `Operations` of CreateGrant.
        GRANT_OPERATIONS = "kms:GrantOperations", Strings, Operation;
        /// `GranteePrincipal` of CreateGrant.
        GRANTEE_PRINCIPAL = "kms:GranteePrincipal", String, Operation;
        /// `GranteeServicePrincipal` of CreateGrant.
        GRANTEE_SERVICE_PRINCIPAL = "kms:GranteeServicePrincipal", String, Operation;
        /// `Origin` of CreateKey.
        KEY_ORIGIN = "kms:KeyOrigin", String, Resource;
        /// `KeySpec` of CreateKey.
        KEY_SPEC = "kms:KeySpec", String, Resource;
        /// Its deprecated twin.
        CUSTOMER_MASTER_KEY_SPEC = "kms:CustomerMasterKeySpec", String, Resource;
        /// `KeyUsage` of CreateKey.
        KEY_USAGE = "kms:KeyUsage", String, Resource;
        /// Its deprecated twin.
        CUSTOMER_MASTER_KEY_USAGE = "kms:CustomerMasterKeyUsage", String, Resource;
        /// `MultiRegion` of CreateKey.
        MULTI_REGION = "kms:MultiRegion", Bool, Resource;
        /// `PolicyName` of GetKeyPolicy and PutKeyPolicy, `default` when not sent.
        POLICY_NAME = "kms:PolicyName", String, Operation;
        /// Whether ReEncrypt's two keys are one.
        RE_ENCRYPT_ON_SAME_KEY = "kms:ReEncryptOnSameKey", Bool, Operation;
        /// `RetiringPrincipal` of CreateGrant.
        RETIRING_PRINCIPAL = "kms:RetiringPrincipal", String, Operation;
        /// `RetiringServicePrincipal` of CreateGrant.
        RETIRING_SERVICE_PRINCIPAL = "kms:RetiringServicePrincipal", String, Operation;
        /// `RotationPeriodInDays` of EnableKeyRotation.
        ROTATION_PERIOD = "kms:RotationPeriodInDays", Numeric, Operation;
        /// `PendingWindowInDays` of ScheduleKeyDeletion.
        PENDING_WINDOW = "kms:ScheduleKeyDeletionPendingWindowInDays", Numeric, Operation;
        /// Whole days since the key was last used, or made.
        TRAILING_DAYS = "kms:TrailingDaysWithoutKeyUsage", Numeric, Operation;
    }
    others {
        "kms:EncryptionContext:<key>", String, Operation;
        "kms:EncryptionContextKeys", Strings, Operation;
        "kms:RequestAlias", String, Operation;
        "kms:ResourceAliases", Strings, Resource;
        "kms:ViaService", String, Service;
    }
}
