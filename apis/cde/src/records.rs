//! What is kept of credentials, environments, services and virtual clusters. None of it is a secret, and none of it is a
//! state: that follows from what EFS and RDS say.

use keyward_engine::directory::records::V1;
use keyward_types::{region::Region, tag::Tag, time::Timestamp};
use serde::{Deserialize, Serialize};

/// A credential: a role that the services assume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRecord {
    /// The record's version.
    pub version: V1,
    /// Its name.
    pub name: String,
    /// Its id in CRNs.
    pub id: String,
    /// The role's ARN.
    pub role: String,
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was created.
    pub created: Timestamp,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRecord {
    /// The record's version.
    pub version: V1,
    /// Its name.
    pub name: String,
    /// Its id in CRNs.
    pub id: String,
    /// The name of its credential.
    pub credential: String,
    /// Where its resources are.
    pub region: Region,
    /// The ARN of the KMS key of what is created in it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its subnets, which are of one virtual private cloud.
    pub subnets: Vec<String>,
    /// That virtual private cloud.
    pub vpc: String,
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where logs would go.
    pub log_location: String,
    /// The instance profile that would write them.
    pub log_profile: String,
    /// The range of addresses that may reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// The name of the key that logs in to machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_key: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The ARN of whoever created it.
    pub creator: String,
    /// When it was created.
    pub created: Timestamp,
}

/// A service of Cloudera Data Engineering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRecord {
    /// The record's version.
    pub version: V1,
    /// `cluster-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of its environment.
    pub environment: String,
    /// The environment's key when the service was enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where its parts are.
    pub region: Region,
    /// The ARN of whoever enabled it.
    pub creator: String,
    /// When it was enabled.
    pub created: Timestamp,
    /// What machines were asked for; none run here.
    pub resources: Vec<(String, String)>,
    /// The file system, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
    /// How provisioning ended; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What was done, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Whether it is being disabled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabling: bool,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// How provisioning ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Outcome {
    /// Everything was created.
    Done,
    /// A step failed.
    Failed {
        /// Cloudera's word for it.
        word: String,
        /// Why.
        message: String,
    },
}

/// A virtual cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRecord {
    /// The record's version.
    pub version: V1,
    /// `dex-app-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The service that it is of.
    pub service: String,
    /// Processors that it may use.
    pub cpu: String,
    /// Memory that it may use.
    pub memory: String,
    /// `CORE` or `ALLP`.
    pub tier: String,
    /// The version of Spark.
    pub spark: String,
    /// Who may use it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// The ARN of whoever created it.
    pub creator: String,
    /// When it was created.
    pub created: Timestamp,
}
