//! The condition keys of IAM that operations supply, each declared once.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>.
//! `iam:ResourceTag/…` and `aws:ResourceTag/…` come from the resource and stand in
//! `gate/attributes.rs`, `aws:RequestTag/…` from `gate/supply.rs`.

use crate::gate::supply::ConditionKey;

/// `AWSServiceName` of CreateServiceLinkedRole.
pub const AWS_SERVICE_NAME: ConditionKey = ConditionKey("iam:AWSServiceName");
/// The boundary that a user or role is given; elsewhere the one it has.
pub const PERMISSIONS_BOUNDARY: ConditionKey = ConditionKey("iam:PermissionsBoundary");
/// The managed policy that is attached or detached.
pub const POLICY_ARN: ConditionKey = ConditionKey("iam:PolicyARN");
/// Keys of tags that are removed.
pub const TAG_KEYS: ConditionKey = ConditionKey("aws:TagKeys");

/// Every key above, for the tests that hold supply and declaration together.
pub const ALL: &[ConditionKey] = &[AWS_SERVICE_NAME, PERMISSIONS_BOUNDARY, POLICY_ARN, TAG_KEYS];
