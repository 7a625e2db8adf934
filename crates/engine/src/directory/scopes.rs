//! The parts of the store: accounts, and accounts in Regions.

use keyward_store::{
    error::StoreError,
    path::{Path, Prefix},
    sealed::SealedError,
    store::Store,
};
use keyward_types::{account::AccountId, partition::Partition, region::Region};

use crate::server::Shared;

/// A part of the store: an account in a Region, or what an account has outside of Regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The partition.
    pub partition: Partition,
    /// The account.
    pub account: AccountId,
    /// The Region, or none.
    pub region: Option<Region>,
}

/// Every part of the store that holds anything, found by leaping from one to the next.
///
/// # Errors
/// When the store cannot be read.
pub async fn scopes(shared: &Shared) -> Result<Vec<Scope>, SealedError> {
    Ok(scopes_of(&**shared.directory.node().sealed().store()).await?)
}

/// As [`scopes`], of a store.
///
/// # Errors
/// When it cannot be read.
pub async fn scopes_of(store: &dyn Store) -> Result<Vec<Scope>, StoreError> {
    let mut scopes = Vec::new();
    let mut after: Option<Path> = None;
    loop {
        let found = store.range(&Prefix::all(), after.as_ref(), 1).await?.value;
        let Some(entry) = found.first() else {
            return Ok(scopes);
        };
        let mut segments = entry.path.segments();
        let partition = segments.next().and_then(Partition::parse);
        let account = segments.next().and_then(|text| AccountId::parse(text).ok());
        let region = segments.next().map(|text| Region::parse(text).ok());
        let leap = match (partition, account, region) {
            (Some(partition), Some(account), Some(region)) => {
                scopes.push(Scope {
                    partition,
                    account,
                    region,
                });
                entry.path.first(3)
            }
            (_, _, _) => entry.path.first(1),
        };
        // `~` comes after every character that paths of ours begin a segment with.
        let leap = leap.and_then(|leap| Path::parse(&format!("{leap}/~")).ok());
        let next = leap
            .filter(|leap| *leap > entry.path)
            .unwrap_or_else(|| entry.path.clone());
        after = Some(next);
    }
}
