//! What the server is told: a TOML file and flags, resolved into one valid configuration.
//!
//! [`RawConfig`] is the file as written; [`Config`] is what the server works with. A refusal
//! names the key, the value and the remedy. `docs/configuration.md` lists every key; a test
//! holds it against this file.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use keyward_oidc::url::HttpsUrl;
use keyward_types::{account::AccountId, partition::Partition, region::Region};
use serde::Deserialize;

/// The file as written. Unknown keys are refused by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The directory that holds everything but, perhaps, the root key.
    pub data_dir: Option<PathBuf>,
    /// The address to serve on.
    pub listen: Option<String>,
    /// The address for metrics.
    pub admin_listen: Option<String>,
    /// The account that the first start makes.
    pub account_id: Option<String>,
    /// The default Region, for what is printed.
    pub region: Option<String>,
    /// The Regions served.
    pub regions: Option<Vec<String>>,
    /// Where the root key is.
    pub root_key: Option<PathBuf>,
    /// TLS.
    #[serde(default)]
    pub tls: RawTls,
    /// Peers that may speak the PROXY protocol.
    #[serde(default)]
    pub proxy_protocol: RawProxyProtocol,
    /// The audit trail.
    #[serde(default)]
    pub audit: RawAudit,
    /// Limits on strangers and friends.
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
    /// Seconds to send the headers, or between two requests of a connection.
    pub header_seconds: Option<u64>,
    /// Seconds to send the body.
    pub body_seconds: Option<u64>,
    /// Seconds that a stop waits for requests under way.
    pub drain_seconds: Option<u64>,
    /// Free bytes of the data directory's disk below which `/readyz` is red.
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
    /// Requests a second of one principal; no limit if zero.
    pub requests_per_second: Option<f64>,
    /// Requests of one principal at once.
    pub request_burst: Option<u32>,
}

/// `[oidc]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOidc {
    /// PEM file of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Key sets by issuer, which are then not fetched.
    #[serde(default)]
    pub jwks_files: BTreeMap<String, PathBuf>,
    /// Addresses that issuers' hosts may have though they are not public, by host and port.
    #[serde(default)]
    pub private_addresses: BTreeMap<String, Vec<String>>,
    /// Seconds to fetch a document.
    pub timeout_seconds: Option<u64>,
}

/// How sure an answer may be that its event is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditDurability {
    /// The operating system has it: survives the process.
    Written,
    /// The disk has it: survives power loss.
    Strict,
}

/// The resolved configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds everything but, perhaps, the root key.
    pub data_dir: PathBuf,
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The address for metrics.
    pub admin_listen: Option<SocketAddr>,
    /// The account that the first start makes.
    pub account: AccountId,
    /// The default Region.
    pub region: Region,
    /// The Regions served.
    pub regions: Vec<Region>,
    /// Where the root key is.
    pub root_key: PathBuf,
    /// TLS, if configured.
    pub tls: Option<TlsFiles>,
    /// Peers that speak the PROXY protocol.
    pub proxies: Vec<Network>,
    /// How sure an answer is that its event is kept.
    pub audit_durability: AuditDurability,
    /// Bytes after which a new audit segment begins.
    pub audit_segment_bytes: u64,
    /// Open connections.
    pub connections: Connections,
    /// Bytes of memory for requests that are not authenticated yet.
    pub unauthenticated_bytes: usize,
    /// To send the headers.
    pub header_timeout: Duration,
    /// To send the body.
    pub body_timeout: Duration,
    /// How long a stop waits.
    pub drain: Duration,
    /// Free disk bytes below which `/readyz` is red.
    pub free_disk_bytes: u64,
    /// KMS keys kept in the cache.
    pub cached_keys: usize,
    /// Units of grants kept in the cache.
    pub cached_grants: usize,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// Customer managed keys in an account and Region.
    pub quota_keys: u64,
    /// Aliases of a key.
    pub quota_aliases_per_key: usize,
    /// Users of an account.
    pub quota_users: u64,
    /// Grants on a key.
    pub quota_grants_per_key: u64,
    /// Roles of an account.
    pub quota_roles: u64,
    /// Groups of an account.
    pub quota_groups: u64,
    /// Customer managed policies of an account.
    pub quota_policies: u64,
    /// Instance profiles of an account.
    pub quota_instance_profiles: u64,
    /// Managed policies attached to a user, group or role.
    pub quota_policies_per_identity: usize,
    /// How often one principal may ask, if there is a limit.
    pub quota_request_interval: Option<Duration>,
    /// Requests of one principal at once.
    pub quota_request_burst: u32,
    /// Issuers of web identities.
    pub oidc: OidcOptions,
}

/// How many connections may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// In all, if it was configured. Else as many as usual, or as the system allows.
    pub all: Option<usize>,
    /// On which nobody has been authenticated yet, if it was configured.
    pub strangers: Option<usize>,
    /// From one address.
    pub per_address: usize,
}

/// How issuers of web identities are asked for their keys.
#[derive(Clone, Debug)]
pub struct OidcOptions {
    /// PEM file of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Key sets by issuer.
    pub jwks_files: BTreeMap<String, PathBuf>,
    /// Hosts that may have addresses that are not public.
    pub private: Vec<PrivateHost>,
    /// To fetch a document.
    pub timeout: Duration,
}

/// A host of issuers that may have addresses that are not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateHost {
    /// A name or an address.
    pub host: String,
    /// The one port.
    pub port: u16,
    /// Where it may be.
    pub addresses: Vec<Network>,
}

/// The files of TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub private_key: PathBuf,
}

/// A refusal: which key, what it says, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` is `{value}`: {remedy}")]
pub struct Refused {
    key: &'static str,
    value: String,
    remedy: String,
}

fn refuse(key: &'static str, value: impl ToString, remedy: impl Into<String>) -> Refused {
    Refused {
        key,
        value: value.to_string(),
        remedy: remedy.into(),
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML of this shape.
    #[error("the configuration file {} is not valid", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value cannot be.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl RawConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or is no TOML of this shape.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Checks everything and fills in the defaults.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let data_dir = self.data_dir.ok_or_else(|| {
            refuse(
                "data_dir",
                "",
                "name the directory with --data-dir or in the file",
            )
        })?;
        let region = self.region.as_deref().unwrap_or("us-east-1");
        let region = Region::parse(region)
            .map_err(|_| refuse("region", region, "use a Region of AWS, such as us-east-1"))?;
        let account = self.account_id.as_deref().unwrap_or("000000000000");
        let account = AccountId::parse(account)
            .map_err(|_| refuse("account_id", account, "use twelve decimal digits"))?;
        let root_key = self.root_key.unwrap_or_else(|| data_dir.join("root.key"));
        Ok(Config {
            listen: address("listen", self.listen.as_deref().unwrap_or("127.0.0.1:5670"))?,
            admin_listen: match self.admin_listen.as_deref() {
                Some(text) => Some(address("admin_listen", text)?),
                None => None,
            },
            account,
            region,
            regions: regions(self.regions, region.partition())?,
            root_key,
            tls: tls(self.tls)?,
            proxies: networks("proxy_protocol.from", &self.proxy_protocol.from)?,
            audit_durability: durability(self.audit.durability.as_deref())?,
            audit_segment_bytes: at_least(
                "audit.segment_bytes",
                self.audit.segment_bytes.unwrap_or(64 << 20),
                1 << 20,
            )?,
            connections: connections(&self.limits)?,
            unauthenticated_bytes: at_least(
                "limits.unauthenticated_bytes",
                self.limits.unauthenticated_bytes.unwrap_or(32 << 20),
                1 << 20,
            )?,
            header_timeout: seconds("limits.header_seconds", self.limits.header_seconds, 60)?,
            body_timeout: seconds("limits.body_seconds", self.limits.body_seconds, 20)?,
            drain: seconds("limits.drain_seconds", self.limits.drain_seconds, 20)?,
            free_disk_bytes: self.limits.free_disk_bytes.unwrap_or(64 << 20),
            cached_keys: at_least(
                "memory.cached_keys",
                self.memory.cached_keys.unwrap_or(10_000),
                16,
            )?,
            cached_grants: at_least(
                "memory.cached_grants",
                self.memory.cached_grants.unwrap_or(50_000),
                16,
            )?,
            arena_bytes: at_least(
                "memory.arena_bytes",
                self.memory.arena_bytes.unwrap_or(4 << 20),
                64 << 10,
            )?,
            quota_keys: self.quotas.keys.unwrap_or(100_000),
            quota_aliases_per_key: self.quotas.aliases_per_key.unwrap_or(50),
            quota_users: self.quotas.users.unwrap_or(5000),
            quota_grants_per_key: self.quotas.grants_per_key.unwrap_or(50_000),
            quota_roles: self.quotas.roles.unwrap_or(1000),
            quota_groups: self.quotas.groups.unwrap_or(300),
            quota_policies: self.quotas.policies.unwrap_or(1500),
            quota_instance_profiles: self.quotas.instance_profiles.unwrap_or(1000),
            quota_policies_per_identity: self.quotas.policies_per_identity.unwrap_or(10),
            quota_request_interval: interval(self.quotas.requests_per_second.unwrap_or(0.0))?,
            quota_request_burst: self.quotas.request_burst.unwrap_or(100),
            oidc: oidc(self.oidc)?,
            data_dir,
        })
    }
}

/// How often a principal may ask; none if there is no limit.
fn interval(per_second: f64) -> Result<Option<Duration>, Refused> {
    if per_second == 0.0 {
        return Ok(None);
    }
    let interval = Duration::try_from_secs_f64(per_second.recip());
    let interval = interval.ok().filter(|_| per_second <= 1e6);
    interval.map(Some).ok_or_else(|| {
        refuse(
            "quotas.requests_per_second",
            per_second,
            "use a number from 0 (no limit) to 1000000",
        )
    })
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, Refused> {
    text.parse()
        .map_err(|_| refuse(key, text, "use an address and port, such as 127.0.0.1:5670"))
}

fn regions(names: Option<Vec<String>>, partition: Partition) -> Result<Vec<Region>, Refused> {
    let Some(names) = names else {
        return Ok(Region::of_partition(partition).collect());
    };
    let mut regions = Vec::new();
    for name in names {
        let region = Region::parse(&name)
            .map_err(|_| refuse("regions", &name, "use Regions of AWS, such as us-east-1"))?;
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    if regions.is_empty() {
        return Err(refuse(
            "regions",
            "[]",
            "name one Region at least, or leave the key out",
        ));
    }
    Ok(regions)
}

fn tls(raw: RawTls) -> Result<Option<TlsFiles>, Refused> {
    match (raw.certificate, raw.private_key) {
        (Some(certificate), Some(private_key)) => Ok(Some(TlsFiles {
            certificate,
            private_key,
        })),
        (None, None) => Ok(None),
        (Some(certificate), None) => Err(refuse(
            "tls.certificate",
            certificate.display(),
            "give tls.private_key too",
        )),
        (None, Some(private_key)) => Err(refuse(
            "tls.private_key",
            private_key.display(),
            "give tls.certificate too",
        )),
    }
}

fn connections(raw: &RawLimits) -> Result<Connections, Refused> {
    let positive = |key, value: Option<usize>| value.map(|n| at_least(key, n, 1)).transpose();
    let all = positive("limits.connections", raw.connections)?;
    let strangers = positive("limits.stranger_connections", raw.stranger_connections)?;
    let per_address = positive(
        "limits.connections_per_address",
        raw.connections_per_address,
    )?;
    if let (Some(all), Some(strangers)) = (all, strangers)
        && strangers > all
    {
        let remedy = "use no more than limits.connections";
        return Err(refuse("limits.stranger_connections", strangers, remedy));
    }
    Ok(Connections {
        all,
        strangers,
        per_address: per_address.unwrap_or(1024),
    })
}

fn oidc(raw: RawOidc) -> Result<OidcOptions, Refused> {
    for issuer in raw.jwks_files.keys() {
        if HttpsUrl::parse(issuer).is_err() {
            let remedy = "name issuers as tokens do, such as https://issuer.example";
            return Err(refuse("oidc.jwks_files", issuer, remedy));
        }
    }
    Ok(OidcOptions {
        ca_file: raw.ca_file,
        jwks_files: raw.jwks_files,
        private: raw
            .private_addresses
            .iter()
            .map(|(host, addresses)| private_host(host, addresses))
            .collect::<Result<_, _>>()?,
        timeout: seconds("oidc.timeout_seconds", raw.timeout_seconds, 5)?,
    })
}

fn private_host(text: &str, addresses: &[String]) -> Result<PrivateHost, Refused> {
    let key = "oidc.private_addresses";
    let url = HttpsUrl::parse(&format!("https://{text}")).ok();
    let url = url.filter(|url| url.authority() == text);
    let url = url.ok_or_else(|| {
        let remedy =
            "name hosts as issuers' URLs do, such as issuer.example or issuer.example:8443";
        refuse(key, text, remedy)
    })?;
    Ok(PrivateHost {
        host: url.host().to_owned(),
        port: url.port(),
        addresses: networks(key, addresses)?,
    })
}

fn durability(text: Option<&str>) -> Result<AuditDurability, Refused> {
    match text {
        None | Some("written") => Ok(AuditDurability::Written),
        Some("strict") => Ok(AuditDurability::Strict),
        Some(other) => Err(refuse(
            "audit.durability",
            other,
            "use `written` or `strict`",
        )),
    }
}

fn seconds(key: &'static str, value: Option<u64>, default: u64) -> Result<Duration, Refused> {
    match value.unwrap_or(default) {
        0 => Err(refuse(key, 0, "use one second at least")),
        value => Ok(Duration::from_secs(value)),
    }
}

fn at_least<N: PartialOrd + ToString>(key: &'static str, value: N, least: N) -> Result<N, Refused> {
    if value < least {
        return Err(refuse(
            key,
            value,
            format!("use {} at least", least.to_string()),
        ));
    }
    Ok(value)
}

/// Addresses that share a prefix, such as `10.0.0.0/8`; without prefix, one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Parses an address, or an address and a prefix length after `/`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= most)?,
            None => most,
        };
        Some(Self { address, prefix })
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let shift = bits - u32::from(self.prefix).min(bits);
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same(u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn networks(key: &'static str, texts: &[String]) -> Result<Vec<Network>, Refused> {
    let parse = |text: &String| {
        let remedy = "use an address or a network, such as 10.0.0.0/8";
        Network::parse(text).ok_or_else(|| refuse(key, text, remedy))
    };
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(toml_text: &str) -> String {
        let raw: RawConfig = match toml::from_str(toml_text) {
            Ok(raw) => raw,
            Err(error) => return error.message().to_owned(),
        };
        raw.resolve().expect_err("refused").to_string()
    }

    #[test]
    fn a_refusal_names_key_value_and_remedy() {
        let base = "data_dir = \"d\"\n";
        for (text, expect) in [
            (
                "listen = \"here\"",
                "`listen` is `here`: use an address and port, such as 127.0.0.1:5670",
            ),
            (
                "region = \"mars-1\"",
                "`region` is `mars-1`: use a Region of AWS, such as us-east-1",
            ),
            (
                "account_id = \"12\"",
                "`account_id` is `12`: use twelve decimal digits",
            ),
            (
                "regions = []",
                "`regions` is `[]`: name one Region at least, or leave the key out",
            ),
            (
                "[tls]\ncertificate = \"c.pem\"",
                "`tls.certificate` is `c.pem`: give tls.private_key too",
            ),
            (
                "[audit]\ndurability = \"maybe\"",
                "`audit.durability` is `maybe`: use `written` or `strict`",
            ),
            (
                "[limits]\nbody_seconds = 0",
                "`limits.body_seconds` is `0`: use one second at least",
            ),
            (
                "[proxy_protocol]\nfrom = [\"10.0.0.0/33\"]",
                "`proxy_protocol.from` is `10.0.0.0/33`: use an address or a network, such as 10.0.0.0/8",
            ),
            (
                "[oidc.private_addresses]\n\"issuer.example\" = [\"localhost\"]",
                "`oidc.private_addresses` is `localhost`: use an address or a network, such as 10.0.0.0/8",
            ),
            (
                "[oidc.private_addresses]\n\"https://issuer.example/\" = [\"10.0.0.1\"]",
                "`oidc.private_addresses` is `https://issuer.example/`: name hosts as issuers' URLs do, such as issuer.example or issuer.example:8443",
            ),
            (
                "[limits]\nconnections = 10\nstranger_connections = 11",
                "`limits.stranger_connections` is `11`: use no more than limits.connections",
            ),
            (
                "[limits]\nunauthenticated_bytes = 1000",
                "`limits.unauthenticated_bytes` is `1000`: use 1048576 at least",
            ),
            (
                "[oidc.jwks_files]\n\"issuer.example\" = \"k.json\"",
                "`oidc.jwks_files` is `issuer.example`: name issuers as tokens do, such as https://issuer.example",
            ),
        ] {
            assert_eq!(refusal(&format!("{base}{text}")), expect);
        }
        assert!(refusal("lisen = \"x\"").starts_with("unknown field `lisen`"));
    }

    #[test]
    fn the_regions_of_the_default_regions_partition_are_served_by_default() {
        let raw: RawConfig = toml::from_str("data_dir = \"d\"\nregion = \"cn-north-1\"").unwrap();
        let config = raw.resolve().unwrap();
        let names: Vec<_> = config
            .regions
            .iter()
            .map(|region| region.as_str())
            .collect();
        assert_eq!(names, ["cn-north-1", "cn-northwest-1"]);
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        let network = Network::parse("10.1.0.0/16").unwrap();
        assert!(network.contains("10.1.200.3".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.200.3".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()));
        assert!(
            Network::parse("0.0.0.0/0")
                .unwrap()
                .contains("1.2.3.4".parse().unwrap())
        );
        assert!(
            !Network::parse("::1")
                .unwrap()
                .contains("::2".parse().unwrap())
        );
    }
}
