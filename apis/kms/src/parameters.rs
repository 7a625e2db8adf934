//! What the audit trail shows of every member of every operation of KMS.
//!
//! As AWS does it, no plaintext, ciphertext, grant token or attestation document stands on the
//! trail, nothing of what GenerateRandom and RetireGrant are given, and always an algorithm.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/>

use keyward_engine::audit::parameters::{
    Declared, Parameter, boolean, integer, map, omitted, secret, structure, structures, text,
    text_or, texts,
};

const GRANT_CONSTRAINTS: &[Parameter] = &[
    map("EncryptionContextSubset"),
    map("EncryptionContextEquals"),
    text("SourceArn"),
];
const TAG: &[Parameter] = &[text("TagKey"), text("TagValue")];

/// The rows, in the alphabet's order; members in the order of AWS's model.
pub const PARAMETERS: &[Declared] = &[
    ("CancelKeyDeletion", &[text("KeyId")]),
    ("CreateAlias", &[text("AliasName"), text("TargetKeyId")]),
    (
        "CreateGrant",
        &[
            text("KeyId"),
            text("GranteePrincipal"),
            text("RetiringPrincipal"),
            texts("Operations"),
            structure("Constraints", GRANT_CONSTRAINTS),
            secret("GrantTokens"),
            text("Name"),
            boolean("DryRun"),
            text("GranteeServicePrincipal"),
            text("RetiringServicePrincipal"),
        ],
    ),
    (
        "CreateKey",
        &[
            text("Policy"),
            text("Description"),
            text("KeyUsage"),
            text("CustomerMasterKeySpec"),
            text("KeySpec"),
            text("Origin"),
            text("CustomKeyStoreId"),
            boolean("BypassPolicyLockoutSafetyCheck"),
            structures("Tags", TAG),
            boolean("MultiRegion"),
            text("XksKeyId"),
        ],
    ),
    (
        "Decrypt",
        &[
            secret("CiphertextBlob"),
            map("EncryptionContext"),
            secret("GrantTokens"),
            text("KeyId"),
            text_or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
            secret("Recipient"),
            boolean("DryRun"),
            texts("DryRunModifiers"),
        ],
    ),
    ("DeleteAlias", &[text("AliasName")]),
    (
        "DescribeCustomKeyStores",
        &[
            text("CustomKeyStoreId"),
            text("CustomKeyStoreName"),
            integer("Limit"),
            text("Marker"),
        ],
    ),
    ("DescribeKey", &[text("KeyId"), secret("GrantTokens")]),
    ("DisableKey", &[text("KeyId")]),
    ("DisableKeyRotation", &[text("KeyId")]),
    ("EnableKey", &[text("KeyId")]),
    (
        "EnableKeyRotation",
        &[text("KeyId"), integer("RotationPeriodInDays")],
    ),
    (
        "Encrypt",
        &[
            text("KeyId"),
            secret("Plaintext"),
            map("EncryptionContext"),
            secret("GrantTokens"),
            text_or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
            boolean("DryRun"),
        ],
    ),
    (
        "GenerateDataKey",
        &[
            text("KeyId"),
            map("EncryptionContext"),
            integer("NumberOfBytes"),
            text("KeySpec"),
            secret("GrantTokens"),
            secret("Recipient"),
            boolean("DryRun"),
        ],
    ),
    (
        "GenerateDataKeyWithoutPlaintext",
        &[
            text("KeyId"),
            map("EncryptionContext"),
            text("KeySpec"),
            integer("NumberOfBytes"),
            secret("GrantTokens"),
            boolean("DryRun"),
        ],
    ),
    (
        "GenerateRandom",
        &[
            omitted("NumberOfBytes"),
            omitted("CustomKeyStoreId"),
            secret("Recipient"),
        ],
    ),
    ("GetKeyLastUsage", &[text("KeyId")]),
    ("GetKeyPolicy", &[text("KeyId"), text("PolicyName")]),
    ("GetKeyRotationStatus", &[text("KeyId")]),
    (
        "ListAliases",
        &[text("KeyId"), integer("Limit"), text("Marker")],
    ),
    (
        "ListGrants",
        &[
            integer("Limit"),
            text("Marker"),
            text("KeyId"),
            text("GrantId"),
            text("GranteePrincipal"),
            text("GranteeServicePrincipal"),
        ],
    ),
    (
        "ListKeyPolicies",
        &[text("KeyId"), integer("Limit"), text("Marker")],
    ),
    (
        "ListKeyRotations",
        &[
            text("KeyId"),
            text("IncludeKeyMaterial"),
            integer("Limit"),
            text("Marker"),
        ],
    ),
    (
        "ListKeys",
        &[integer("Limit"), text("Marker"), texts("ResourceOwners")],
    ),
    (
        "ListResourceTags",
        &[text("KeyId"), integer("Limit"), text("Marker")],
    ),
    (
        "ListRetirableGrants",
        &[
            integer("Limit"),
            text("Marker"),
            text("RetiringPrincipal"),
            text("RetiringServicePrincipal"),
        ],
    ),
    (
        "PutKeyPolicy",
        &[
            text("KeyId"),
            text("PolicyName"),
            text("Policy"),
            boolean("BypassPolicyLockoutSafetyCheck"),
        ],
    ),
    (
        "ReEncrypt",
        &[
            secret("CiphertextBlob"),
            map("SourceEncryptionContext"),
            text("SourceKeyId"),
            text("DestinationKeyId"),
            map("DestinationEncryptionContext"),
            text_or("SourceEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
            text_or("DestinationEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
            secret("GrantTokens"),
            boolean("DryRun"),
            texts("DryRunModifiers"),
        ],
    ),
    (
        "RetireGrant",
        &[
            secret("GrantToken"),
            omitted("KeyId"),
            omitted("GrantId"),
            omitted("DryRun"),
        ],
    ),
    (
        "RevokeGrant",
        &[text("KeyId"), text("GrantId"), boolean("DryRun")],
    ),
    ("RotateKeyOnDemand", &[text("KeyId")]),
    (
        "ScheduleKeyDeletion",
        &[text("KeyId"), integer("PendingWindowInDays")],
    ),
    ("TagResource", &[text("KeyId"), structures("Tags", TAG)]),
    ("UntagResource", &[text("KeyId"), texts("TagKeys")]),
    ("UpdateAlias", &[text("AliasName"), text("TargetKeyId")]),
    (
        "UpdateKeyDescription",
        &[text("KeyId"), text("Description")],
    ),
];
