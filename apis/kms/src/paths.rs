//! Where the records of KMS are stored, but for grants, whose paths are in
//! [`grants::index`](crate::grants::index).

use keyward_engine::directory::paths::{Spelled, below_scoped, global, scoped};
pub use keyward_engine::directory::paths::{clock, last_use, regional_name_home};
use keyward_store::{
    path::{Number, Path, Prefix, Segment},
    sealed::NameHash,
};
use keyward_types::{
    account::AccountId, key_id::KeyArn, partition::Partition, region::Region, time::Timestamp,
};

/// The path segment for KMS keys.
pub const KEY: Segment<'static> = Segment::word("key");
/// The path segment for aliases.
const ALIAS: Segment<'static> = Segment::word("alias");
/// The path segment for what a worker owes a key.
const DUE: Segment<'static> = Segment::word("due");
/// The path segment for the keys of accounts.
const ACCOUNT_KEY: Segment<'static> = Segment::word("account-key");
/// The path segment for domain keys.
const DOMAIN_KEY: Segment<'static> = Segment::word("domain-key");

/// The account's own key, from which material ids are made.
pub fn account_key(partition: Partition, account: AccountId) -> Path {
    global(partition, account, [ACCOUNT_KEY])
}

/// The domain key of an account and Region.
pub fn domain_key(region: Region, account: AccountId) -> Path {
    scoped(region, account, [DOMAIN_KEY])
}

/// A KMS key.
pub fn key(arn: &KeyArn) -> Path {
    scoped(arn.region(), arn.account(), [KEY, arn.id().into()])
}

/// [`key`] as text.
pub fn key_text(arn: &KeyArn) -> Spelled {
    key_id_text(arn.region(), arn.account(), arn.id().as_str())
}

/// [`key`] as text, by the parts of the ARN.
pub fn key_id_text(region: Region, account: AccountId, id: &str) -> Spelled {
    let partition = region.partition();
    Spelled::new(&[
        partition.as_str(),
        account.as_str(),
        region.as_str(),
        KEY.as_str(),
        id,
    ])
}

/// Every KMS key of an account and Region.
pub fn keys(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [KEY])
}

/// An alias, by the hash of its name.
pub fn alias(region: Region, account: AccountId, hash: &NameHash) -> Path {
    scoped(region, account, [ALIAS, hash.into()])
}

/// Every alias of an account and Region.
pub fn aliases(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [ALIAS])
}

/// What a worker owes a key, in the order of time.
pub fn due(arn: &KeyArn, at: Timestamp) -> Path {
    let at = Number::new(u64::try_from(at.millis()).unwrap_or_default());
    let rest = [DUE, (&at).into(), arn.id().into()];
    scoped(arn.region(), arn.account(), rest)
}

/// Everything due in an account and Region.
pub fn all_due(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [DUE])
}

#[cfg(test)]
mod tests {
    use keyward_types::key_id::KeyId;

    use super::*;

    #[test]
    fn what_the_cache_of_keys_is_asked_by_is_the_path() {
        let region = Region::parse("us-gov-west-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let arn = KeyArn::new(region, account, KeyId::from_random([7; 16]));
        assert_eq!(key_text(&arn).as_str(), key(&arn).as_str());
    }
}
