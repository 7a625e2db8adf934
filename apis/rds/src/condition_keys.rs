//! The condition keys of RDS. All describe the resource, also one that is to be made, so that the request says how it
//! will be. Keys of what this version does not have, such as `rds:cluster-tag/…`, are in `docs/support.md`.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html>

use keyward_engine::condition_keys;

condition_keys! {
    supplied {}
    others {
        "rds:BackupTarget", String, Resource;
        "rds:DatabaseClass", String, Resource;
        "rds:DatabaseEngine", String, Resource;
        "rds:DatabaseName", String, Resource;
        "rds:ManageMasterUserPassword", Bool, Operation;
        "rds:MultiAz", Bool, Resource;
        "rds:Piops", Numeric, Resource;
        "rds:StorageEncrypted", Bool, Resource;
        "rds:StorageSize", Numeric, Resource;
        "rds:Vpc", Bool, Resource;
        "rds:db-tag/<key>", String, Resource;
        "rds:req-tag/<key>", String, Operation;
        "rds:snapshot-tag/<key>", String, Resource;
        "rds:subgrp-tag/<key>", String, Resource;
    }
}
