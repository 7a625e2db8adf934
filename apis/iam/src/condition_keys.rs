//! The condition keys of IAM that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>.
//! `iam:ResourceTag/…` and `aws:ResourceTag/…` come from the resource and are in
//! `gate/attributes.rs`, `aws:RequestTag/…` from `gate/supply.rs`.

use keyward_engine::condition_keys;

condition_keys! {
    supplied {
        /// `AWSServiceName` of CreateServiceLinkedRole.
        AWS_SERVICE_NAME = "iam:AWSServiceName", String, Operation;
        /// What a role is passed to be used with.
        PASSED_TO_SERVICE = "iam:PassedToService", String, Operation;
        /// The boundary that a user or role is given; elsewhere the one it has.
        PERMISSIONS_BOUNDARY = "iam:PermissionsBoundary", String, Operation;
        /// The managed policy that is attached or detached.
        POLICY_ARN = "iam:PolicyARN", Arn, Operation;
    }
    others {
        "iam:ResourceTag/<key>", String, Resource;
    }
}

#[cfg(test)]
mod tests {
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
    ];

    #[test]
    fn every_key_that_is_declared_is_supplied_where_aws_supplies_it() {
        let declared = include_str!("condition_keys.rs");
        let names: Vec<&str> = declared
            .lines()
            .filter_map(|line| line.trim_start().split_once(" = \"iam:"))
            .map(|(name, _)| name)
            .collect();
        assert!(!names.is_empty());
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
