//! The configuration file as written.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML of this shape.
    #[error("the configuration file {} is not valid: {}", path.display(), reason.trim_end())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
}

/// The file as written. Unknown keys are errors that name the key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The directory that holds everything, except the root key if that is elsewhere.
    pub data_dir: Option<PathBuf>,
    /// The address to serve on.
    pub listen: Option<String>,
    /// The address for metrics.
    pub admin_listen: Option<String>,
    /// The account that the first start creates.
    pub account_id: Option<String>,
    /// The default Region, for what is printed.
    pub region: Option<String>,
    /// The Regions served.
    pub regions: Option<Vec<String>>,
    /// Where the root key is.
    pub root_key: Option<PathBuf>,
    /// Who a server serves as that root starts.
    pub user: Option<String>,
    /// TLS.
    #[serde(default)]
    pub tls: RawTls,
    /// Peers that may speak the PROXY protocol.
    #[serde(default)]
    pub proxy_protocol: RawProxyProtocol,
    /// The audit trail.
    #[serde(default)]
    pub audit: RawAudit,
    /// Limits on clients, authenticated or not.
    #[serde(default)]
    pub limits: RawLimits,
    /// How much is kept in memory.
    #[serde(default)]
    pub memory: RawMemory,
    /// Resource quotas.
    #[serde(default)]
    pub quotas: RawQuotas,
    /// Issuers of web identities.
    #[serde(default)]
    pub oidc: RawOidc,
    /// Subnets and security groups of mount targets.
    #[serde(default)]
    pub network: RawNetwork,
}

/// `[tls]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// PEM file with the certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub private_key: Option<PathBuf>,
}

/// `[proxy_protocol]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawProxyProtocol {
    /// Addresses whose connections begin with a PROXY header.
    #[serde(default)]
    pub from: Vec<String>,
}

/// `[audit]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAudit {
    /// `written` or `strict`.
    pub durability: Option<String>,
    /// Bytes after which a new segment begins.
    pub segment_bytes: Option<u64>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    /// Open connections.
    pub connections: Option<usize>,
    /// Open connections on which nobody has been authenticated yet.
    pub stranger_connections: Option<usize>,
    /// Open connections from one address.
    pub connections_per_address: Option<usize>,
    /// Bytes of memory for requests that are not authenticated yet.
    pub unauthenticated_bytes: Option<usize>,
    /// Seconds for sending the headers, and between two requests of a connection.
    pub header_seconds: Option<u64>,
    /// Seconds for sending the body.
    pub body_seconds: Option<u64>,
    /// Seconds that a stop waits for requests in progress.
    pub drain_seconds: Option<u64>,
    /// Requests that are handled at once.
    pub requests_at_once: Option<usize>,
    /// Bytes of memory for requests that wait for their turn.
    pub waiting_bytes: Option<usize>,
    /// Free bytes on the data directory's disk below which `/readyz` answers 503.
    pub free_disk_bytes: Option<u64>,
}

/// `[memory]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMemory {
    /// KMS keys kept in the cache.
    pub cached_keys: Option<usize>,
    /// Units of grants kept in the cache.
    pub cached_grants: Option<usize>,
    /// Bytes of the locked arena for secrets.
    pub arena_bytes: Option<usize>,
}

/// `[quotas]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuotas {
    /// Customer managed keys in an account and Region.
    pub keys: Option<u64>,
    /// Aliases of a key.
    pub aliases_per_key: Option<usize>,
    /// Users of an account.
    pub users: Option<u64>,
    /// Grants on a key.
    pub grants_per_key: Option<u64>,
    /// Roles of an account.
    pub roles: Option<u64>,
    /// Groups of an account.
    pub groups: Option<u64>,
    /// Customer managed policies of an account.
    pub policies: Option<u64>,
    /// Instance profiles of an account.
    pub instance_profiles: Option<u64>,
    /// Managed policies attached to a user, group or role.
    pub policies_per_identity: Option<usize>,
    /// Requests per second of one principal; zero means no limit.
    pub requests_per_second: Option<f64>,
    /// Requests of one principal at once.
    pub request_burst: Option<u32>,
}

/// `[oidc]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOidc {
    /// PEM file of authorities to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Key sets by issuer; they are read instead of being fetched.
    #[serde(default)]
    pub jwks_files: BTreeMap<String, PathBuf>,
    /// Non-public addresses that issuers' hosts may have, by host and port.
    #[serde(default)]
    pub private_addresses: BTreeMap<String, Vec<String>>,
    /// Seconds for fetching a document.
    pub timeout_seconds: Option<u64>,
}

/// `[network]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNetwork {
    /// Subnets by id.
    #[serde(default)]
    pub subnets: BTreeMap<String, RawSubnet>,
    /// Security groups by id.
    #[serde(default)]
    pub security_groups: BTreeMap<String, RawSecurityGroup>,
}

/// `[network.subnets.ID]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSubnet {
    /// The virtual private cloud.
    pub vpc: Option<String>,
    /// The Availability Zone.
    pub availability_zone: String,
    /// The addresses.
    pub cidr: String,
    /// The port of mount targets.
    pub port: Option<u16>,
}

/// `[network.security_groups.ID]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSecurityGroup {
    /// The virtual private cloud.
    pub vpc: Option<String>,
    /// The networks whose clients are let in.
    pub ingress: Vec<String>,
    /// Whether mount targets have it for which none is named.
    pub default: Option<bool>,
}

impl RawConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or is not TOML of this shape.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| FileError::Parse {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}
