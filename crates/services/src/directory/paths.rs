//! Where records stand. Every path begins partition/account/Region, but for access keys, whose
//! look-up is global; what users name stands in a path only as a keyed hash.

use keyward_store::path::{Path, PathError, Prefix};
use keyward_types::{
    account::AccountId,
    key_id::KeyArn,
    partition::Partition,
    region::Region,
    time::Timestamp,
    unique_id::{AccessKeyId, UniqueId},
};

/// The place of what belongs to an account in no Region.
const GLOBAL: &str = "global";

/// The account's own record.
pub fn account(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    Path::join(&[partition.as_str(), account.as_str(), GLOBAL, "account"])
}

/// The account's own key, from which material ids are made.
pub fn account_key(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    Path::join(&[partition.as_str(), account.as_str(), GLOBAL, "account-key"])
}

/// An access key.
pub fn access_key(id: &AccessKeyId) -> Result<Path, PathError> {
    Path::join(&["access-key", id.as_str()])
}

/// When an access key was last used.
pub fn access_key_last_use(id: &AccessKeyId) -> Result<Path, PathError> {
    Path::join(&["access-key-last-use", id.as_str()])
}

/// A user, by its unique id.
pub fn user(partition: Partition, account: AccountId, id: &UniqueId) -> Result<Path, PathError> {
    Path::join(&[
        partition.as_str(),
        account.as_str(),
        GLOBAL,
        "user",
        id.as_str(),
    ])
}

/// Where a user's name leads.
pub fn user_name(partition: Partition, account: AccountId, hash: &str) -> Result<Path, PathError> {
    Path::join(&[
        partition.as_str(),
        account.as_str(),
        GLOBAL,
        "user-name",
        hash,
    ])
}

/// Every user of an account.
pub fn users(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/user/"))
}

/// The domain key of an account and Region.
pub fn domain_key(region: Region, account: AccountId) -> Result<Path, PathError> {
    scoped(region, account, &["domain-key"])
}

/// A KMS key.
pub fn key(arn: &KeyArn) -> Result<Path, PathError> {
    scoped(arn.region(), arn.account(), &["key", arn.id().as_str()])
}

/// Every KMS key of an account and Region.
pub fn keys(region: Region, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{}/{account}/{region}/key/", region.partition()))
}

/// An alias, by the hash of its name.
pub fn alias(region: Region, account: AccountId, hash: &str) -> Result<Path, PathError> {
    scoped(region, account, &["alias", hash])
}

/// Every alias of an account and Region.
pub fn aliases(region: Region, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{}/{account}/{region}/alias/", region.partition()))
}

/// When a key was last used.
pub fn last_use(arn: &KeyArn) -> Result<Path, PathError> {
    scoped(
        arn.region(),
        arn.account(),
        &["last-use", arn.id().as_str()],
    )
}

/// What a worker owes a key, in the order of time.
pub fn due(arn: &KeyArn, at: Timestamp) -> Result<Path, PathError> {
    let at = format!("{:016}", at.millis().max(0));
    scoped(
        arn.region(),
        arn.account(),
        &["due", &at, arn.id().as_str()],
    )
}

/// Everything due in an account and Region.
pub fn all_due(region: Region, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{}/{account}/{region}/due/", region.partition()))
}

/// The event of a change, on its way to the trail.
pub fn outbox(event_id: &str) -> Result<Path, PathError> {
    Path::join(&["outbox", event_id])
}

/// Every event on its way to the trail.
pub fn all_outbox() -> Result<Prefix, PathError> {
    Prefix::parse("outbox/")
}

/// The last reading of the wall clock that a worker recorded.
pub fn clock() -> Result<Path, PathError> {
    Path::parse("clock")
}

fn scoped(region: Region, account: AccountId, rest: &[&str]) -> Result<Path, PathError> {
    let mut segments = vec![
        region.partition().as_str(),
        account.as_str(),
        region.as_str(),
    ];
    segments.extend_from_slice(rest);
    Path::join(&segments)
}
