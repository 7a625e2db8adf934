//! The condition keys of STS that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html>.
//! The claims of an identity provider are condition keys that begin with the provider's name; the
//! caller supplies those.

use keyward_engine::condition_keys;

condition_keys! {
    supplied {
        /// `ExternalId` of AssumeRole; absent when not sent.
        EXTERNAL_ID = "sts:ExternalId", String, Operation;
        /// `RoleSessionName`.
        ROLE_SESSION_NAME = "sts:RoleSessionName", String, Operation;
        /// The source identity that the session will have; absent when it has none.
        SOURCE_IDENTITY = "sts:SourceIdentity", String, Operation;
        /// `TransitiveTagKeys`, or an identity provider's.
        TRANSITIVE_TAG_KEYS = "sts:TransitiveTagKeys", Strings, Operation;
    }
}
