//! Which addresses a rule is about (RFC 4632, RFC 4291).

use std::{fmt, net::IpAddr, str::FromStr};

/// A network: all addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network, such as `10.0.0.0/33`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network like 10.0.0.0/8 or 2001:db8::/32")]
pub struct NotCidr(String);

impl Cidr {
    /// Whether an address is in the network. An IPv4 address that arrived over an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(of), IpAddr::V4(other)) => {
                same_start(of.to_bits().into(), other.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(of), IpAddr::V6(other)) => {
                same_start(of.to_bits(), other.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

fn same_start(a: u128, b: u128, width: u8, bits: u8) -> bool {
    let rest = u32::from(width.saturating_sub(bits));
    (a ^ b).checked_shr(rest).unwrap_or_default() == 0
}

impl FromStr for Cidr {
    type Err = NotCidr;

    fn from_str(text: &str) -> Result<Self, NotCidr> {
        let parse = || {
            let (address, bits) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            (bits <= width).then_some(Self { address, bits })
        };
        parse().ok_or_else(|| NotCidr(text.to_owned()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: Cidr = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_contains_what_begins_with_its_bits() {
        assert!(contains("10.1.0.0/16", "10.1.255.255"));
        assert!(!contains("10.1.0.0/16", "10.2.0.0"));
        assert!(contains("192.0.2.7/32", "192.0.2.7"));
        assert!(!contains("192.0.2.7/32", "192.0.2.6"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::1"));
    }

    #[test]
    fn a_network_of_no_bits_contains_every_address_of_its_family() {
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("::/0", "203.0.113.9"));
    }

    #[test]
    fn an_ipv4_address_on_an_ipv6_socket_is_an_ipv4_address() {
        assert!(contains("203.0.113.0/24", "::ffff:203.0.113.9"));
        assert!(!contains("::/0", "::ffff:203.0.113.9"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "x/8",
        ] {
            let said = format!("`{text}` is not a network like 10.0.0.0/8 or 2001:db8::/32");
            assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), said);
        }
    }
}
