//! `IpAddress` and `NotIpAddress`: IPv4 and IPv6 addresses and CIDR blocks (RFC 4632, RFC 4291).

use std::net::IpAddr;

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// An IPv4 or IPv6 address's bits, in the low end.
    bits: u128,
    is_v4: bool,
    /// How many low bits do not matter.
    host: u32,
}

impl Block {
    /// Reads an address with or without prefix length; bits beyond the prefix do not matter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 3 => {
                digits.parse().ok()?
            }
            Some(_) => return None,
        };
        let host = width.checked_sub(prefix)?;
        // A block of IPv4 addresses written as IPv6 ones is a block of IPv4 addresses.
        let address = if host <= 32 {
            address.to_canonical()
        } else {
            address
        };
        Some(Self {
            bits: bits(address),
            is_v4: address.is_ipv4(),
            host,
        })
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        let differ = self.bits ^ bits(address);
        self.is_v4 == address.is_ipv4() && differ.checked_shr(self.host).unwrap_or(0) == 0
    }
}

/// Reads a request's address. One that an IPv4 client has on an IPv6 socket is its IPv4 address.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(block: &str, address: &str) -> bool {
        Block::parse(block)
            .unwrap()
            .contains(parse(address).unwrap())
    }

    #[test]
    fn host_bits_do_not_matter() {
        assert!(within("203.0.113.77/24", "203.0.113.1"));
        assert!(!within("203.0.113.0/24", "203.0.114.1"));
        assert!(within("203.0.113.7", "203.0.113.7"));
        assert!(!within("203.0.113.7", "203.0.113.8"));
        assert!(within("0.0.0.0/0", "255.255.255.255"));
        assert!(within("2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1"));
        assert!(!within("2001:db8::/64", "2001:db8:0:1::"));
        assert!(within("::/0", "2001:db8::1"));
    }

    #[test]
    fn the_two_families_are_apart_and_mapped_addresses_are_ipv4() {
        assert!(!within("0.0.0.0/0", "2001:db8::1"));
        assert!(!within("::/0", "203.0.113.7"));
        assert!(within("203.0.113.0/24", "::ffff:203.0.113.9"));
        assert!(within("::ffff:203.0.113.0/120", "203.0.113.9"));
    }

    #[test]
    fn other_texts_are_no_blocks() {
        for bad in [
            "",
            "x",
            "1.2.3",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/-1",
            "1.2.3.4/+8",
            "::/129",
            "1.2.3.4/8/8",
            "01.2.3.4",
            "1.2.3.4/0008",
        ] {
            assert_eq!(Block::parse(bad), None, "{bad}");
        }
    }
}
