//! AWS Regions and the partition each belongs to.
//!
//! The table is AWS's own list as the SDKs know it (`partitions.json` of botocore); a test with the
//! real clients compares the two.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::partition::Partition;

/// A Region that AWS knows, such as `us-east-1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(u8);

/// No AWS partition has a Region of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no AWS partition has a Region of that name")]
pub struct RegionError;

/// Every Region with its partition, in alphabetical order.
pub const REGIONS: &[(&str, Partition)] = &[
    ("af-south-1", Partition::Aws),
    ("ap-east-1", Partition::Aws),
    ("ap-east-2", Partition::Aws),
    ("ap-northeast-1", Partition::Aws),
    ("ap-northeast-2", Partition::Aws),
    ("ap-northeast-3", Partition::Aws),
    ("ap-south-1", Partition::Aws),
    ("ap-south-2", Partition::Aws),
    ("ap-southeast-1", Partition::Aws),
    ("ap-southeast-2", Partition::Aws),
    ("ap-southeast-3", Partition::Aws),
    ("ap-southeast-4", Partition::Aws),
    ("ap-southeast-5", Partition::Aws),
    ("ap-southeast-6", Partition::Aws),
    ("ap-southeast-7", Partition::Aws),
    ("ca-central-1", Partition::Aws),
    ("ca-west-1", Partition::Aws),
    ("cn-north-1", Partition::AwsCn),
    ("cn-northwest-1", Partition::AwsCn),
    ("eu-central-1", Partition::Aws),
    ("eu-central-2", Partition::Aws),
    ("eu-isoe-west-1", Partition::AwsIsoE),
    ("eu-north-1", Partition::Aws),
    ("eu-south-1", Partition::Aws),
    ("eu-south-2", Partition::Aws),
    ("eu-west-1", Partition::Aws),
    ("eu-west-2", Partition::Aws),
    ("eu-west-3", Partition::Aws),
    ("eusc-de-east-1", Partition::AwsEusc),
    ("il-central-1", Partition::Aws),
    ("me-central-1", Partition::Aws),
    ("me-south-1", Partition::Aws),
    ("me-west-1", Partition::Aws),
    ("mx-central-1", Partition::Aws),
    ("sa-east-1", Partition::Aws),
    ("sa-west-1", Partition::Aws),
    ("us-east-1", Partition::Aws),
    ("us-east-2", Partition::Aws),
    ("us-gov-east-1", Partition::AwsUsGov),
    ("us-gov-west-1", Partition::AwsUsGov),
    ("us-iso-east-1", Partition::AwsIso),
    ("us-iso-west-1", Partition::AwsIso),
    ("us-isob-east-1", Partition::AwsIsoB),
    ("us-isob-west-1", Partition::AwsIsoB),
    ("us-isof-east-1", Partition::AwsIsoF),
    ("us-isof-south-1", Partition::AwsIsoF),
    ("us-west-1", Partition::Aws),
    ("us-west-2", Partition::Aws),
];

impl Region {
    /// The Region of that name, compared exactly.
    pub fn parse(name: &str) -> Result<Self, RegionError> {
        let index = REGIONS.binary_search_by(|(known, _)| (*known).cmp(name));
        index
            .ok()
            .and_then(|index| u8::try_from(index).ok())
            .map(Self)
            .ok_or(RegionError)
    }

    /// The Region's name.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The partition the Region belongs to.
    pub fn partition(self) -> Partition {
        self.row().1
    }

    /// Every Region of a partition.
    pub fn of_partition(partition: Partition) -> impl Iterator<Item = Self> {
        Self::all().filter(move |region| region.partition() == partition)
    }

    /// Every Region of every partition.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).zip(REGIONS).map(|(index, _)| Self(index))
    }

    fn row(self) -> &'static (&'static str, Partition) {
        // The index comes from the table itself, so the fallback is never taken.
        REGIONS
            .get(usize::from(self.0))
            .unwrap_or(&("", Partition::Aws))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Region {
    type Error = RegionError;
    fn try_from(name: String) -> Result<Self, RegionError> {
        Self::parse(&name)
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_region_parses() {
        assert!(REGIONS.is_sorted_by(|a, b| a.0 < b.0));
        for region in Region::all() {
            assert_eq!(Region::parse(region.as_str()), Ok(region));
        }
    }

    #[test]
    fn a_region_knows_its_partition() {
        assert_eq!(
            Region::parse("cn-north-1").unwrap().partition(),
            Partition::AwsCn
        );
        assert_eq!(
            Region::parse("us-west-2").unwrap().partition(),
            Partition::Aws
        );
        assert_eq!(Region::parse("us-west-3"), Err(RegionError));
        assert_eq!(Region::parse("US-WEST-2"), Err(RegionError));
    }
}
