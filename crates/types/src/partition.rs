//! AWS partitions: worlds of Regions, accounts and ARNs that share nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An AWS partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Partition {
    /// Commercial Regions.
    #[serde(rename = "aws")]
    Aws,
    /// Regions in China.
    #[serde(rename = "aws-cn")]
    AwsCn,
    /// The European sovereign cloud.
    #[serde(rename = "aws-eusc")]
    AwsEusc,
    /// An isolated partition (`us-iso-*`).
    #[serde(rename = "aws-iso")]
    AwsIso,
    /// An isolated partition (`us-isob-*`).
    #[serde(rename = "aws-iso-b")]
    AwsIsoB,
    /// An isolated partition (`eu-isoe-*`).
    #[serde(rename = "aws-iso-e")]
    AwsIsoE,
    /// An isolated partition (`us-isof-*`).
    #[serde(rename = "aws-iso-f")]
    AwsIsoF,
    /// US government Regions.
    #[serde(rename = "aws-us-gov")]
    AwsUsGov,
}

impl Partition {
    /// Every partition.
    pub const ALL: [Self; 8] = [
        Self::Aws,
        Self::AwsCn,
        Self::AwsEusc,
        Self::AwsIso,
        Self::AwsIsoB,
        Self::AwsIsoE,
        Self::AwsIsoF,
        Self::AwsUsGov,
    ];

    /// The partition's name, the second part of its ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsEusc => "aws-eusc",
            Self::AwsIso => "aws-iso",
            Self::AwsIsoB => "aws-iso-b",
            Self::AwsIsoE => "aws-iso-e",
            Self::AwsIsoF => "aws-iso-f",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The partition of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.as_str() == name)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
