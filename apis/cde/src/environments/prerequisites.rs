//! The three policies that CDP needs: that of the role, the role's trust policy, and that of the key of an environment.

use keyward_types::via_service::CDP;
use serde_json::{Value, json};

/// The policy of a KMS key for environments: the account administers it, the role uses it, and services that the role has
/// create something make grants for themselves.
pub fn key_policy(partition: &str, account: &str, role: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "The account administers the key",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:{partition}:iam::{account}:root") },
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "The role of CDP uses the key",
                "Effect": "Allow",
                "Principal": { "AWS": role },
                "Action": [
                    "kms:Encrypt",
                    "kms:Decrypt",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:DescribeKey",
                ],
                "Resource": "*",
            },
            {
                "Sid": "Services create grants for the role of CDP",
                "Effect": "Allow",
                "Principal": { "AWS": role },
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": { "Bool": { "kms:GrantIsForAWSResource": "true" } },
            },
        ],
    })
}

/// The trust policy of the role: CDP may assume it, for the account with that external ID.
pub fn trust_policy(external_id: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": CDP.global_name() },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
        }],
    })
}

/// The policy of the role. The key's own policy allows it the key.
pub fn role_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "FileSystems",
                "Effect": "Allow",
                "Action": [
                    "elasticfilesystem:CreateFileSystem",
                    "elasticfilesystem:CreateMountTarget",
                    "elasticfilesystem:DeleteFileSystem",
                    "elasticfilesystem:DeleteMountTarget",
                    "elasticfilesystem:DescribeFileSystems",
                    "elasticfilesystem:DescribeMountTargets",
                    "elasticfilesystem:TagResource",
                ],
                "Resource": "*",
            },
            {
                "Sid": "Databases",
                "Effect": "Allow",
                "Action": [
                    "rds:AddTagsToResource",
                    "rds:CreateDBInstance",
                    "rds:DeleteDBInstance",
                    "rds:DescribeDBInstances",
                ],
                "Resource": "*",
            },
        ],
    })
}
