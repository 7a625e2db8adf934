//! Condition keys that EFS and RDS supply, for the check before anything is built, and one of IAM. The two services have none of their own.

use keyward_engine::gate::{declared::DeclaredKey, supply::ConditionKey};

/// None.
pub const ALL: &[DeclaredKey] = &[];

/// To which service a role is passed: a key of IAM.
pub const PASSED_TO_SERVICE: ConditionKey = ConditionKey("iam:PassedToService");
/// Whether a file system is created encrypted.
pub const FILE_SYSTEM_ENCRYPTED: ConditionKey = ConditionKey("elasticfilesystem:Encrypted");
/// The operation that creates the file system that is tagged.
pub const CREATE_ACTION: ConditionKey = ConditionKey("elasticfilesystem:CreateAction");
/// Whether a DB instance is created encrypted.
pub const DATABASE_ENCRYPTED: ConditionKey = ConditionKey("rds:StorageEncrypted");
/// The engine of a DB instance.
pub const DATABASE_ENGINE: ConditionKey = ConditionKey("rds:DatabaseEngine");
/// The class of a DB instance.
pub const DATABASE_CLASS: ConditionKey = ConditionKey("rds:DatabaseClass");
