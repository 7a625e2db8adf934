//! The condition keys of IAM that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>.
//! `iam:ResourceTag/…` and `aws:ResourceTag/…` come from the resource and stand in
//! `gate/attributes.rs`, `aws:RequestTag/…` from `gate/supply.rs`.

use keyward_engine::gate::supply::ConditionKey;

/// `AWSServiceName` of CreateServiceLinkedRole.
pub const AWS_SERVICE_NAME: ConditionKey = ConditionKey("iam:AWSServiceName");
/// What a role is passed to be used with.
pub const PASSED_TO_SERVICE: ConditionKey = ConditionKey("iam:PassedToService");
/// The boundary that a user or role is given; elsewhere the one it has.
pub const PERMISSIONS_BOUNDARY: ConditionKey = ConditionKey("iam:PermissionsBoundary");
/// The managed policy that is attached or detached.
pub const POLICY_ARN: ConditionKey = ConditionKey("iam:PolicyARN");
/// Keys of tags that are removed.
pub const TAG_KEYS: ConditionKey = ConditionKey("aws:TagKeys");

/// Every key above, for the tests that hold supply and declaration together.
pub const ALL: &[ConditionKey] = &[
    AWS_SERVICE_NAME,
    PASSED_TO_SERVICE,
    PERMISSIONS_BOUNDARY,
    POLICY_ARN,
    TAG_KEYS,
];

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &[(&str, &str)] = &[
        ("AWS_SERVICE_NAME", include_str!("role/service_linked.rs")),
        (
            "PASSED_TO_SERVICE",
            include_str!("instance_profile/role.rs"),
        ),
        ("PERMISSIONS_BOUNDARY", include_str!("newborn.rs")),
        ("PERMISSIONS_BOUNDARY", include_str!("boundary.rs")),
        ("PERMISSIONS_BOUNDARY", include_str!("attachment.rs")),
        ("POLICY_ARN", include_str!("attachment.rs")),
        ("TAG_KEYS", include_str!("tags.rs")),
    ];

    #[test]
    fn every_key_that_is_declared_is_supplied_where_aws_supplies_it() {
        let declared = include_str!("condition_keys.rs");
        let names: Vec<&str> = declared
            .lines()
            .filter_map(|line| line.strip_prefix("pub const "))
            .filter_map(|line| line.split_once(": ConditionKey "))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            assert!(SOURCES.iter().any(|(known, _)| *known == name), "{name}");
        }
        for (name, text) in SOURCES {
            assert!(text.contains(&format!("condition_keys::{name}")), "{name}");
        }
    }

    #[test]
    fn no_operation_supplies_a_key_that_is_not_declared() {
        for (_, text) in SOURCES {
            assert!(!text.contains(concat!("Condition", "Key(\"")));
        }
    }
}
