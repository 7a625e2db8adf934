//! Subnets and security groups: `[network]`.

use keyward_client::config::{RawNetwork, RawSecurityGroup, RawSubnet};
use keyward_types::{
    network::Network,
    region::Region,
    vpc::{DEFAULT_GROUP, DEFAULT_VPC, NFS, SecurityGroup, Subnet, Vpcs, region_of},
};

use super::{
    check::networks,
    error::{Refused, refuse},
};

/// The most subnets.
const MAX_SUBNETS: usize = 200;
/// The most security groups.
const MAX_GROUPS: usize = 500;
/// The most networks that one lets in, as at AWS.
const MAX_INGRESS: usize = 60;

/// The subnets and security groups of a configuration.
pub(super) fn vpcs(raw: &RawNetwork, is_served: impl Fn(Region) -> bool) -> Result<Vpcs, Refused> {
    let most = |key, found: usize, most: usize| match found > most {
        true => Err(refuse(key, found, format!("use at most {most}"))),
        false => Ok(()),
    };
    most("network.subnets", raw.subnets.len(), MAX_SUBNETS)?;
    most(
        "network.security_groups",
        raw.security_groups.len(),
        MAX_GROUPS,
    )?;
    let mut subnets: Vec<Subnet> = Vec::new();
    for (id, raw) in &raw.subnets {
        let subnet = subnet(id, raw, &is_served)?;
        let taken = subnets
            .iter()
            .find(|other| other.network.overlaps(&subnet.network));
        let loopback = region_of(&subnet.zone).and_then(|region| Region::parse(region).ok());
        let loopback = loopback.map(Subnet::default_of);
        let loopback =
            loopback.filter(|own| own.id != *id && own.network.overlaps(&subnet.network));
        if let Some(other) = taken.or(loopback.as_ref()) {
            let remedy = format!(
                "its addresses are also those of {}: give each subnet its own, and that one others by its id",
                other.id
            );
            return Err(refuse("network.subnets.ID.cidr", subnet.network, remedy));
        }
        subnets.push(subnet);
    }
    let mut groups: Vec<SecurityGroup> = Vec::new();
    for (id, raw) in &raw.security_groups {
        let group = group(id, raw)?;
        let has_other = |other: &SecurityGroup| other.is_default && other.vpc == group.vpc;
        if group.is_default && groups.iter().any(has_other) {
            let remedy = format!("{} has another default: it can have only one", group.vpc);
            return Err(refuse("network.security_groups.ID.default", true, remedy));
        }
        groups.push(group);
    }
    Ok(Vpcs::new(subnets, groups))
}

fn subnet(
    id: &str,
    raw: &RawSubnet,
    is_served: impl Fn(Region) -> bool,
) -> Result<Subnet, Refused> {
    if !is_id(id, "subnet-") {
        let remedy = "name subnets as AWS does: subnet- and 8 to 40 hexadecimal digits";
        return Err(refuse("network.subnets", id, remedy));
    }
    let zone = &raw.availability_zone;
    let region = region_of(zone).and_then(|region| Region::parse(region).ok());
    if !region.is_some_and(is_served) {
        let remedy = "use a served Region with a letter, such as us-east-1a";
        return Err(refuse("network.subnets.ID.availability_zone", zone, remedy));
    }
    let network = Network::parse(&raw.cidr);
    let network = network.filter(|network| network.address().is_ipv4() && network.prefix() >= 8);
    let network = network.ok_or_else(|| {
        let remedy = "use a network of IPv4 addresses that agents have, such as 10.0.0.0/24, of 8 to 32 bits";
        refuse("network.subnets.ID.cidr", &raw.cidr, remedy)
    })?;
    let port = raw.port.unwrap_or(NFS);
    if port == 0 {
        let remedy = "use a port from 1 to 65535";
        return Err(refuse("network.subnets.ID.port", port, remedy));
    }
    Ok(Subnet {
        id: id.to_owned(),
        vpc: vpc("network.subnets.ID.vpc", raw.vpc.as_deref())?,
        zone: zone.clone(),
        network,
        port,
    })
}

fn group(id: &str, raw: &RawSecurityGroup) -> Result<SecurityGroup, Refused> {
    if !is_id(id, "sg-") {
        let remedy = "name security groups as AWS does: sg- and 8 to 40 hexadecimal digits";
        return Err(refuse("network.security_groups", id, remedy));
    }
    let key = "network.security_groups.ID.ingress";
    if raw.ingress.len() > MAX_INGRESS {
        let remedy = format!("use at most {MAX_INGRESS} networks");
        return Err(refuse(key, raw.ingress.len(), remedy));
    }
    let is_default = raw.default.unwrap_or(id == DEFAULT_GROUP);
    Ok(SecurityGroup {
        id: id.to_owned(),
        vpc: vpc("network.security_groups.ID.vpc", raw.vpc.as_deref())?,
        ingress: networks(key, &raw.ingress)?,
        is_default,
    })
}

fn vpc(key: &'static str, named: Option<&str>) -> Result<String, Refused> {
    let vpc = named.unwrap_or(DEFAULT_VPC);
    if is_id(vpc, "vpc-") {
        return Ok(vpc.to_owned());
    }
    let remedy = "name virtual private clouds as AWS does: vpc- and 8 to 40 hexadecimal digits";
    Err(refuse(key, vpc, remedy))
}

/// Whether a name has the shape of AWS's ids with that prefix.
fn is_id(text: &str, prefix: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(prefix)
        .is_some_and(|digits| (8..=40).contains(&digits.len()) && digits.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use keyward_types::vpc::DEFAULT_SUBNET;

    use super::*;

    #[test]
    fn what_is_configured_counts_and_the_defaults_can_be_changed() {
        let raw: RawNetwork = toml::from_str(&format!(
            "[subnets.{DEFAULT_SUBNET}]\navailability_zone = \"us-east-1b\"\ncidr = \"10.1.0.0/24\"\nport = 12049\n\
             [security_groups.{DEFAULT_GROUP}]\ningress = [\"10.0.0.0/8\"]\n\
             [security_groups.sg-0000000a]\nvpc = \"vpc-0000000a\"\ningress = [\"192.0.2.7\"]\ndefault = true\n"
        ))
        .unwrap();
        let vpcs = vpcs(&raw, |_| true).unwrap();
        let region = Region::parse("us-east-1").unwrap();
        let subnet = vpcs.subnet(region, DEFAULT_SUBNET).unwrap();
        assert_eq!((subnet.zone.as_str(), subnet.port), ("us-east-1b", 12049));
        assert_eq!(vpcs.zones(region), ["us-east-1b"]);
        assert_eq!(vpcs.default_group(DEFAULT_VPC), DEFAULT_GROUP);
        assert_eq!(vpcs.default_group("vpc-0000000a"), "sg-0000000a");
        let texts = |group: &str| -> Vec<String> {
            let networks = vpcs.ingress(&[group.to_owned()]);
            networks.iter().map(Network::to_string).collect()
        };
        assert_eq!(texts(DEFAULT_GROUP), ["10.0.0.0/8"]);
        assert_eq!(texts("sg-0000000a"), ["192.0.2.7/32"]);
        let elsewhere = Region::parse("eu-west-1").unwrap();
        let subnet = vpcs.subnet(elsewhere, DEFAULT_SUBNET).unwrap();
        assert_eq!(subnet, Subnet::default_of(elsewhere));
    }
}
