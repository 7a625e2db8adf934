//! The addresses of subnets that are in use. Several APIs give them away, each to one of its resources.

use std::{collections::BTreeSet, net::Ipv4Addr};

use keyward_store::path::{Path, Segment};

use super::{ReadError, paths, purpose, records::storage::AddressRecord};
use crate::context::Context;

/// What stands in paths for addresses that are in use.
const KIND: Segment<'static> = Segment::word("subnet-address");

/// Where it is kept that an address of the caller's account and Region is in use. Whoever puts a record there that
/// was absent has the address.
pub fn path(cx: &Context<'_>, address: Ipv4Addr) -> Path {
    let home = paths::regional_name_home(cx.region, cx.account());
    let reader = cx.directory().reader();
    let address = address.to_string();
    let hash = reader.name_hash(home.as_str(), KIND.as_str(), &address);
    paths::scoped(cx.region, cx.account(), [KIND, (&hash).into()])
}

/// The addresses of the caller's account and Region that are in use.
///
/// # Errors
/// When they cannot be read.
pub async fn used(cx: &Context<'_>) -> Result<BTreeSet<Ipv4Addr>, ReadError> {
    let prefix = paths::below_scoped(cx.region, cx.account(), [KIND]);
    let directory = cx.directory();
    let used = directory.every::<AddressRecord>(&prefix, purpose::SUBNET_ADDRESS);
    Ok(used.await?.iter().map(|used| used.address).collect())
}
