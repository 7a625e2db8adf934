//! The condition keys of STS that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html>.
//! What an identity provider vouches for stands under keys that begin with the provider's name;
//! the caller supplies those.

use keyward_engine::gate::supply::ConditionKey;

/// `ExternalId` of AssumeRole; absent when not sent.
pub const EXTERNAL_ID: ConditionKey = ConditionKey("sts:ExternalId");
/// `RoleSessionName`.
pub const ROLE_SESSION_NAME: ConditionKey = ConditionKey("sts:RoleSessionName");
/// The source identity that the session will have; absent when it has none.
pub const SOURCE_IDENTITY: ConditionKey = ConditionKey("sts:SourceIdentity");
/// `TransitiveTagKeys`, or an identity provider's.
pub const TRANSITIVE_TAG_KEYS: ConditionKey = ConditionKey("sts:TransitiveTagKeys");

/// Every key above, for the tests that hold supply and declaration together.
pub const ALL: &[ConditionKey] = &[
    EXTERNAL_ID,
    ROLE_SESSION_NAME,
    SOURCE_IDENTITY,
    TRANSITIVE_TAG_KEYS,
];
