//! The condition keys of EFS.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html>
//! <https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html>

use keyward_engine::condition_keys;

condition_keys! {
    supplied {
        /// The access point that a client uses.
        ACCESS_POINT_ARN = "elasticfilesystem:AccessPointArn", String, Operation;
        /// Whether a client uses a mount target.
        ACCESSED_VIA_MOUNT_TARGET = "elasticfilesystem:AccessedViaMountTarget", Bool, Operation;
        /// Whether the file system is created encrypted.
        ENCRYPTED = "elasticfilesystem:Encrypted", Bool, Operation;
        /// The operation that creates what is tagged.
        CREATE_ACTION = "elasticfilesystem:CreateAction", String, Operation;
    }
}
