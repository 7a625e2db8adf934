//! The virtual private clouds that the operator configures: subnets with the addresses in them, and security
//! groups with the networks whose clients they allow. Keyward runs no network: an address of a subnet is one
//! that the machines of agents have.
//!
//! In every Region there is a subnet from the start, with loopback addresses, and a security group that
//! allows everybody who reaches an address.

use std::net::{IpAddr, Ipv4Addr};

use crate::{network::Network, region::Region};

/// The subnet that every Region has.
pub const DEFAULT_SUBNET: &str = "subnet-00000000000000001";
/// The virtual private cloud of that subnet.
pub const DEFAULT_VPC: &str = "vpc-00000000000000001";
/// The security group of every virtual private cloud that has no other one as its default.
pub const DEFAULT_GROUP: &str = "sg-00000000000000001";
/// The port of NFS.
pub const NFS: u16 = 2049;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// The virtual private cloud that it is in, `vpc-…`.
    pub vpc: String,
    /// The Availability Zone that it is in, such as `us-east-1a`.
    pub zone: String,
    /// Its addresses, of IPv4.
    pub network: Network,
    /// The port at which its mount targets are served.
    pub port: u16,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// The virtual private cloud that it is in.
    pub vpc: String,
    /// The networks whose clients it allows.
    pub ingress: Vec<Network>,
    /// Whether mount targets have it for which none is named.
    pub is_default: bool,
}

/// What is configured, and the defaults.
#[derive(Clone, Debug, Default)]
pub struct Vpcs {
    subnets: Vec<Subnet>,
    groups: Vec<SecurityGroup>,
}

impl Subnet {
    /// The one that a Region has from the start.
    pub fn default_of(region: Region) -> Self {
        Self {
            id: DEFAULT_SUBNET.to_owned(),
            vpc: DEFAULT_VPC.to_owned(),
            zone: format!("{region}a"),
            network: LOOPBACK,
            port: NFS,
        }
    }

    /// Its addresses that a mount target can have, the lowest first: not the first and the last one, which
    /// name the network and everybody in it, unless there are no others.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let first = match self.network.address() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(_) => 0,
        };
        let bits = u32::from(32 - self.network.prefix().min(32));
        let count = 1_u64 << bits;
        let first = first - first % count;
        let edge = u64::from(bits > 1);
        let all = first + edge..first + count - edge;
        all.filter_map(|bits| u32::try_from(bits).ok().map(Ipv4Addr::from_bits))
    }

    /// Whether a mount target can have an address of it.
    pub fn has(&self, address: Ipv4Addr) -> bool {
        let prefix = u32::from(self.network.prefix());
        let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
        let host = address.to_bits() & hosts;
        let is_edge = prefix < 31 && (host == 0 || host == hosts);
        self.network.contains(IpAddr::V4(address)) && !is_edge
    }
}

/// 127.0.0.0/24, whose first address is the one that everybody calls localhost.
const LOOPBACK: Network = Network::v4(Ipv4Addr::new(127, 0, 0, 0), 24);
/// Everybody.
const EVERYWHERE: Network = Network::v4(Ipv4Addr::UNSPECIFIED, 0);

impl Vpcs {
    /// What was configured; it was checked when it was read.
    pub fn new(subnets: Vec<Subnet>, groups: Vec<SecurityGroup>) -> Self {
        Self { subnets, groups }
    }

    /// A subnet of a Region.
    pub fn subnet(&self, region: Region, id: &str) -> Option<Subnet> {
        let configured = self.configured(region).find(|subnet| subnet.id == id);
        let default = || (id == DEFAULT_SUBNET).then(|| Subnet::default_of(region));
        configured.cloned().or_else(default)
    }

    /// Every subnet of a Region, the default one first.
    pub fn subnets(&self, region: Region) -> Vec<Subnet> {
        let default = Subnet::default_of(region);
        let mut others: Vec<Subnet> = self.configured(region).cloned().collect();
        // The operator may have configured that one.
        let own = others.iter().position(|subnet| subnet.id == default.id);
        let first = own.map_or(default, |at| others.remove(at));
        others.insert(0, first);
        others
    }

    /// The Availability Zones of a Region that have a subnet.
    pub fn zones(&self, region: Region) -> Vec<String> {
        let subnets = self.subnets(region).into_iter();
        let mut zones: Vec<String> = subnets.map(|subnet| subnet.zone).collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    fn configured(&self, region: Region) -> impl Iterator<Item = &Subnet> {
        let region = region.as_str();
        self.subnets
            .iter()
            .filter(move |subnet| region_of(&subnet.zone) == Some(region))
    }

    /// Whether a security group is there in a virtual private cloud.
    pub fn has_group(&self, vpc: &str, id: &str) -> bool {
        match self.groups.iter().find(|group| group.id == id) {
            Some(group) => group.vpc == vpc,
            None => id == DEFAULT_GROUP,
        }
    }

    /// The security group of a virtual private cloud for mount targets that do not name one.
    pub fn default_group(&self, vpc: &str) -> &str {
        let mut groups = self.groups.iter();
        let own = groups.find(|group| group.vpc == vpc && group.is_default);
        own.map_or(DEFAULT_GROUP, |group| &group.id)
    }

    /// The networks whose clients these security groups allow together. One that is not configured any more
    /// allows nobody.
    pub fn ingress(&self, groups: &[String]) -> Vec<Network> {
        let mut networks = Vec::new();
        for id in groups {
            let networks_of = match self.groups.iter().find(|group| group.id == *id) {
                Some(group) => group.ingress.as_slice(),
                None if id == DEFAULT_GROUP => &[EVERYWHERE],
                None => &[],
            };
            for network in networks_of {
                if !networks.contains(network) {
                    networks.push(*network);
                }
            }
        }
        networks
    }
}

/// The Region of an Availability Zone; `None` if it is not named as one.
pub fn region_of(zone: &str) -> Option<&str> {
    let (region, letter) = zone.split_at_checked(zone.len().checked_sub(1)?)?;
    let is_zone = letter.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.ends_with(|last: char| last.is_ascii_digit());
    is_zone.then_some(region)
}

/// AWS's id of an Availability Zone, which is the same for every account, such as `use1-az1` for `us-east-1a`.
/// Here the letters are the same for every account, too.
pub fn zone_id(zone: &str) -> Option<String> {
    let region = region_of(zone)?;
    let letter = zone.bytes().last()?;
    let mut short = String::new();
    for (at, part) in region.split('-').enumerate() {
        match part {
            _ if at == 0 => short.push_str(part),
            "northeast" => short.push_str("ne"),
            "northwest" => short.push_str("nw"),
            "southeast" => short.push_str("se"),
            "southwest" => short.push_str("sw"),
            _ => short.push_str(part.get(..1)?),
        }
    }
    Some(format!("{short}-az{}", letter - b'a' + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(zone: &str, network: &str) -> Subnet {
        Subnet {
            id: "subnet-0000000a".to_owned(),
            vpc: "vpc-0000000a".to_owned(),
            zone: zone.to_owned(),
            network: Network::parse(network).unwrap(),
            port: NFS,
        }
    }

    #[test]
    fn a_subnet_has_all_addresses_but_the_first_and_the_last() {
        let texts = |network: &str| -> Vec<String> {
            let addresses = subnet("us-east-1a", network).addresses();
            addresses.map(|address| address.to_string()).collect()
        };
        assert_eq!(texts("10.0.0.8/30"), ["10.0.0.9", "10.0.0.10"]);
        assert_eq!(texts("10.0.0.9/31"), ["10.0.0.8", "10.0.0.9"]);
        assert_eq!(texts("10.0.0.9/32"), ["10.0.0.9"]);
        for network in ["10.0.0.8/30", "10.0.0.9/31", "10.0.0.9/32"] {
            let subnet = subnet("us-east-1a", network);
            let inside: Vec<Ipv4Addr> = (7..13)
                .map(|last| Ipv4Addr::new(10, 0, 0, last))
                .filter(|address| subnet.has(*address))
                .collect();
            assert_eq!(inside, subnet.addresses().collect::<Vec<_>>(), "{network}");
        }
    }

    #[test]
    fn a_region_has_a_subnet_and_a_group_from_the_start() {
        let region = Region::parse("us-east-1").unwrap();
        let vpcs = Vpcs::default();
        let subnet = vpcs.subnet(region, DEFAULT_SUBNET).unwrap();
        assert_eq!(subnet.addresses().next(), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(vpcs.subnets(region), [Subnet::default_of(region)]);
        assert_eq!(vpcs.zones(region), ["us-east-1a"]);
        assert_eq!(vpcs.default_group(&subnet.vpc), DEFAULT_GROUP);
        let groups = [DEFAULT_GROUP.to_owned()];
        assert_eq!(vpcs.ingress(&groups), [EVERYWHERE]);
        assert_eq!(vpcs.ingress(&["sg-0000000a".to_owned()]), []);
        assert_eq!(vpcs.subnet(region, "subnet-0000000a"), None);
    }

    #[test]
    fn a_subnet_is_there_in_the_region_of_its_zone() {
        let vpcs = Vpcs::new(vec![subnet("eu-west-1b", "10.0.0.0/24")], Vec::new());
        let region = |name| Region::parse(name).unwrap();
        assert!(
            vpcs.subnet(region("eu-west-1"), "subnet-0000000a")
                .is_some()
        );
        assert_eq!(vpcs.subnet(region("us-east-1"), "subnet-0000000a"), None);
        assert_eq!(
            vpcs.zones(region("eu-west-1")),
            ["eu-west-1a", "eu-west-1b"]
        );
    }

    #[test]
    fn a_zone_has_an_id_as_at_aws() {
        for (zone, id) in [
            ("us-east-1a", Some("use1-az1")),
            ("ap-northeast-3c", Some("apne3-az3")),
            ("us-gov-west-1b", Some("usgw1-az2")),
            ("us-east-1", None),
            ("", None),
        ] {
            assert_eq!(zone_id(zone).as_deref(), id, "{zone}");
        }
    }
}
