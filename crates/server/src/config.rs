//! The configuration: a TOML file and flags, resolved into valid settings.
//!
//! [`RawConfig`] is the file as written; [`Config`] is what the server works with. An error names
//! the key, the value and the remedy. `docs/configuration.md` lists every key; a test compares it
//! with this file.

mod check;
mod error;
mod vpcs;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use check::{
    address, at_least, connections, durability, interval, networks, oidc, regions, seconds, tls,
};
use error::{ConfigError, refuse};
pub use keyward_client::config::RawConfig;
pub use keyward_types::network::Network;
use keyward_types::{account::AccountId, region::Region, vpc::Vpcs};

/// The account that a first start creates if no other is given.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// The name of the root key's file, if no other is given.
pub const ROOT_KEY: &str = "root.key";

/// What an answer guarantees about its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditDurability {
    /// The operating system has the event: it survives a crash of the process.
    Written,
    /// The disk has the event: it survives a power cut.
    Strict,
}

/// The resolved configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds everything, except the root key if that is elsewhere.
    pub data_dir: PathBuf,
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The address for metrics.
    pub admin_listen: Option<SocketAddr>,
    /// The account that the first start creates.
    pub account: AccountId,
    /// The default Region.
    pub region: Region,
    /// The Regions served.
    pub regions: Vec<Region>,
    /// Where the root key is.
    pub root_key: PathBuf,
    /// Who a server serves as that root starts, if it was chosen.
    pub user: Option<String>,
    /// TLS, if configured.
    pub tls: Option<TlsFiles>,
    /// Peers that speak the PROXY protocol.
    pub proxies: Vec<Network>,
    /// What an answer guarantees about its event.
    pub audit_durability: AuditDurability,
    /// Bytes after which a new audit segment begins.
    pub audit_segment_bytes: u64,
    /// Open connections.
    pub connections: Connections,
    /// Bytes of memory for requests that are not authenticated yet.
    pub unauthenticated_bytes: usize,
    /// The time limit for sending the headers.
    pub header_timeout: Duration,
    /// The time limit for sending the body.
    pub body_timeout: Duration,
    /// How long a stop waits.
    pub drain: Duration,
    /// Requests that are handled at once.
    pub requests_at_once: usize,
    /// Bytes of memory for requests that wait for their turn.
    pub waiting_bytes: usize,
    /// Free disk bytes below which `/readyz` answers 503.
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
    /// Subnets and security groups of mount targets.
    pub vpcs: Vpcs,
}

/// How many connections may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// In total, if configured; otherwise the default, or as many as the system allows.
    pub all: Option<usize>,
    /// On which nobody has been authenticated yet, if configured.
    pub strangers: Option<usize>,
    /// From one address.
    pub per_address: usize,
}

/// How issuers of web identities are asked for their keys.
#[derive(Clone, Debug)]
pub struct OidcOptions {
    /// PEM file of authorities to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Key sets by issuer.
    pub jwks_files: BTreeMap<String, PathBuf>,
    /// Hosts that may have addresses that are not public.
    pub private: Vec<PrivateHost>,
    /// The time limit for fetching a document.
    pub timeout: Duration,
}

/// A host of issuers that may have addresses that are not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateHost {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The networks in which its addresses may be.
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

impl Config {
    /// Checks everything and fills in the defaults.
    ///
    /// # Errors
    /// The first value that is not valid.
    pub fn resolve(raw: RawConfig) -> Result<Self, ConfigError> {
        let data_dir = raw.data_dir.ok_or(ConfigError::NoDataDir)?;
        let region = raw.region.as_deref().unwrap_or("us-east-1");
        let region = Region::parse(region)
            .map_err(|_| refuse("region", region, "use a Region of AWS, such as us-east-1"))?;
        let account = raw.account_id.as_deref().unwrap_or(DEFAULT_ACCOUNT);
        let account = AccountId::parse(account)
            .map_err(|_| refuse("account_id", account, "use twelve decimal digits"))?;
        let regions = regions(raw.regions, region)?;
        let root_key = raw.root_key.unwrap_or_else(|| data_dir.join(ROOT_KEY));
        Ok(Self {
            listen: address("listen", raw.listen.as_deref().unwrap_or("127.0.0.1:5670"))?,
            admin_listen: match raw.admin_listen.as_deref() {
                Some(text) => Some(address("admin_listen", text)?),
                None => None,
            },
            account,
            region,
            root_key,
            user: raw.user,
            tls: tls(raw.tls)?,
            proxies: networks("proxy_protocol.from", &raw.proxy_protocol.from)?,
            audit_durability: durability(raw.audit.durability.as_deref())?,
            audit_segment_bytes: at_least(
                "audit.segment_bytes",
                raw.audit.segment_bytes.unwrap_or(64 << 20),
                1 << 20,
            )?,
            connections: connections(&raw.limits)?,
            unauthenticated_bytes: at_least(
                "limits.unauthenticated_bytes",
                raw.limits.unauthenticated_bytes.unwrap_or(32 << 20),
                1 << 20,
            )?,
            header_timeout: seconds("limits.header_seconds", raw.limits.header_seconds, 60)?,
            body_timeout: seconds("limits.body_seconds", raw.limits.body_seconds, 20)?,
            drain: seconds("limits.drain_seconds", raw.limits.drain_seconds, 20)?,
            requests_at_once: at_least(
                "limits.requests_at_once",
                raw.limits.requests_at_once.unwrap_or(256),
                2,
            )?,
            waiting_bytes: raw.limits.waiting_bytes.unwrap_or(16 << 20),
            free_disk_bytes: raw.limits.free_disk_bytes.unwrap_or(64 << 20),
            cached_keys: at_least(
                "memory.cached_keys",
                raw.memory.cached_keys.unwrap_or(10_000),
                16,
            )?,
            cached_grants: at_least(
                "memory.cached_grants",
                raw.memory.cached_grants.unwrap_or(50_000),
                16,
            )?,
            arena_bytes: at_least(
                "memory.arena_bytes",
                raw.memory.arena_bytes.unwrap_or(4 << 20),
                64 << 10,
            )?,
            quota_keys: raw.quotas.keys.unwrap_or(100_000),
            quota_aliases_per_key: raw.quotas.aliases_per_key.unwrap_or(50),
            quota_users: raw.quotas.users.unwrap_or(5000),
            quota_grants_per_key: raw.quotas.grants_per_key.unwrap_or(50_000),
            quota_roles: raw.quotas.roles.unwrap_or(1000),
            quota_groups: raw.quotas.groups.unwrap_or(300),
            quota_policies: raw.quotas.policies.unwrap_or(1500),
            quota_instance_profiles: raw.quotas.instance_profiles.unwrap_or(1000),
            quota_policies_per_identity: raw.quotas.policies_per_identity.unwrap_or(10),
            quota_request_interval: interval(raw.quotas.requests_per_second.unwrap_or(0.0))?,
            quota_request_burst: raw.quotas.request_burst.unwrap_or(100),
            oidc: oidc(raw.oidc)?,
            vpcs: vpcs::vpcs(&raw.network, |region| regions.contains(&region))?,
            regions,
            data_dir,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(toml_text: &str) -> String {
        let raw: RawConfig = match toml::from_str(toml_text) {
            Ok(raw) => raw,
            Err(error) => return error.message().to_owned(),
        };
        Config::resolve(raw).expect_err("refused").to_string()
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
                "`regions` is `[]`: name at least one Region, or leave the key out",
            ),
            (
                "region = \"eu-west-1\"\nregions = [\"us-east-1\", \"us-west-2\"]",
                "`region` is `eu-west-1`: this default Region is not served: choose one of `regions` (us-east-1, us-west-2), or add it there",
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
                "`limits.body_seconds` is `0`: use at least one second",
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
                "`limits.unauthenticated_bytes` is `1000`: use at least 1048576",
            ),
            (
                "[limits]\nrequests_at_once = 1",
                "`limits.requests_at_once` is `1`: use at least 2",
            ),
            (
                "[network.subnets.mine]\navailability_zone = \"us-east-1a\"\ncidr = \"10.0.0.0/24\"",
                "`network.subnets` is `mine`: name subnets as AWS does: subnet- and 8 to 40 hexadecimal digits",
            ),
            (
                "[network.subnets.subnet-0000000a]\navailability_zone = \"us-east-1\"\ncidr = \"10.0.0.0/24\"",
                "`network.subnets.ID.availability_zone` is `us-east-1`: use a served Region with a letter, such as us-east-1a",
            ),
            (
                "[network.subnets.subnet-0000000a]\navailability_zone = \"us-east-1a\"\ncidr = \"::/0\"",
                "`network.subnets.ID.cidr` is `::/0`: use a network of IPv4 addresses that agents have, such as 10.0.0.0/24, of 8 to 32 bits",
            ),
            (
                "[network.subnets.subnet-0000000a]\navailability_zone = \"us-east-1a\"\ncidr = \"10.0.0.0/24\"\nport = 0",
                "`network.subnets.ID.port` is `0`: use a port from 1 to 65535",
            ),
            (
                "[network.subnets.subnet-0000000a]\navailability_zone = \"us-east-1a\"\ncidr = \"127.0.0.0/8\"",
                "`network.subnets.ID.cidr` is `127.0.0.0/8`: its addresses are also those of subnet-00000000000000001: give each subnet its own, and that one others by its id",
            ),
            (
                "[network.security_groups.sg-0000000a]\ningress = [\"everybody\"]",
                "`network.security_groups.ID.ingress` is `everybody`: use an address or a network, such as 10.0.0.0/8",
            ),
            (
                "[network.security_groups.sg-0000000a]\ningress = []\nvpc = \"other\"",
                "`network.security_groups.ID.vpc` is `other`: name virtual private clouds as AWS does: vpc- and 8 to 40 hexadecimal digits",
            ),
            (
                "[network.security_groups.sg-0000000a]\ningress = []\ndefault = true\n[network.security_groups.sg-0000000b]\ningress = []\ndefault = true",
                "`network.security_groups.ID.default` is `true`: vpc-00000000000000001 has another default: it can have only one",
            ),
            (
                "[oidc.jwks_files]\n\"issuer.example\" = \"k.json\"",
                "`oidc.jwks_files` is `issuer.example`: name issuers as tokens do, such as https://issuer.example",
            ),
        ] {
            assert_eq!(refusal(&format!("{base}{text}")), expect);
        }
        assert!(refusal("lisen = \"x\"").starts_with("unknown field `lisen`"));
        assert_eq!(
            refusal(""),
            "no data directory is given: use --data-dir DIR, or `data_dir` in the configuration file"
        );
    }

    #[test]
    fn the_regions_of_the_default_regions_partition_are_served_by_default() {
        let raw: RawConfig = toml::from_str("data_dir = \"d\"\nregion = \"cn-north-1\"").unwrap();
        let config = Config::resolve(raw).unwrap();
        let names: Vec<_> = config
            .regions
            .iter()
            .map(|region| region.as_str())
            .collect();
        assert_eq!(names, ["cn-north-1", "cn-northwest-1"]);
    }

    #[test]
    fn the_documentation_lists_every_key() {
        let (mut section, mut keys) = (String::new(), Vec::new());
        for line in include_str!("../../client/src/config.rs").lines() {
            if let Some(name) = line.strip_prefix("/// `[") {
                section = name.replace("]`", ".");
            }
            let field = line.trim().strip_prefix("pub ");
            let field = field.and_then(|field| field.split_once(": "));
            let is_key =
                |(name, kind): &(&str, &str)| !kind.starts_with("Raw") && !name.starts_with("fn ");
            if let Some((name, _)) = field.filter(is_key) {
                keys.push(format!("{section}{name}"));
            }
        }
        let documentation = include_str!("../../../docs/configuration.md");
        let rows = documentation
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut listed: Vec<_> = rows.filter(|key| !key.starts_with("KEYWARD_")).collect();
        listed.sort_unstable();
        keys.sort_unstable();
        assert_eq!(listed, keys);
    }
}
