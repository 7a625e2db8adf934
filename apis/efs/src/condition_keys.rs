//! The condition keys of EFS.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html>
//!
//! `elasticfilesystem:AccessPointArn` and `elasticfilesystem:AccessedViaMountTarget` describe NFS clients,
//! and so belong to the data plane.

use keyward_engine::condition_keys;

condition_keys! {
    supplied {
        /// Whether the file system is created encrypted.
        ENCRYPTED = "elasticfilesystem:Encrypted", Bool, Operation;
        /// The operation that creates what is tagged.
        CREATE_ACTION = "elasticfilesystem:CreateAction", String, Operation;
    }
}
