//! The header of the PROXY protocol, versions 1 and 2, with which a load balancer begins a
//! connection: who the client is.
//!
//! The parser is strict, since the header determines `aws:SourceIp`: it accepts only what the
//! specification allows a sender to write.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest header that is accepted. Version 1 has at most 107 bytes, and version 2 little more
/// without extensions, which are limited here.
pub const MAX_HEADER: usize = 1024;

/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;
const V1: &[u8] = b"PROXY ";
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of version 2 before the addresses.
const V2_FIXED: usize = 16;

/// The content of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Bytes of the header.
    pub length: usize,
    /// The client's address; none if the proxy connects for itself or does not know the client.
    pub client: Option<IpAddr>,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// These bytes may be the beginning of a header; more are needed.
    #[error("the PROXY header is not complete")]
    Incomplete,
    /// No header begins like this.
    #[error("no PROXY header")]
    Malformed,
}

use ProxyError::{Incomplete, Malformed};

/// Reads the header at the start of a connection's bytes.
///
/// # Errors
/// When there is none, or not all of it.
pub fn parse(bytes: &[u8]) -> Result<Proxied, ProxyError> {
    if begins(bytes, V2) {
        binary(bytes)
    } else if begins(bytes, V1) {
        line(bytes)
    } else {
        Err(Malformed)
    }
}

/// Whether one of two byte strings is a prefix of the other.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(a, b)| a == b)
}

fn line(bytes: &[u8]) -> Result<Proxied, ProxyError> {
    let line = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = line.iter().position(|byte| *byte == b'\r') else {
        return Err(if line.len() < MAX_LINE {
            Incomplete
        } else {
            Malformed
        });
    };
    match line.get(end + 1) {
        Some(b'\n') => {}
        Some(_) => return Err(Malformed),
        None if line.len() < MAX_LINE => return Err(Incomplete),
        None => return Err(Malformed),
    }
    let text = line.get(V1.len()..end).unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let length = end + 2;
    let mut words = text.split(' ');
    let client = match words.next() {
        // What follows is ignored.
        Some("UNKNOWN") => {
            return Ok(Proxied {
                length,
                client: None,
            });
        }
        Some("TCP4") => addresses(&mut words, |text| text.parse().ok().map(IpAddr::V4))?,
        Some("TCP6") => addresses(&mut words, |text| text.parse().ok().map(IpAddr::V6))?,
        Some(_) | None => return Err(Malformed),
    };
    if words.next().is_some() {
        return Err(Malformed);
    }
    let client = Some(client);
    Ok(Proxied { length, client })
}

/// Source and destination, and the port of each.
fn addresses<'t>(
    words: &mut impl Iterator<Item = &'t str>,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Result<IpAddr, ProxyError> {
    let mut next = || words.next().ok_or(Malformed);
    let source = address(next()?).ok_or(Malformed)?;
    address(next()?).ok_or(Malformed)?;
    for _ in 0..2 {
        let text = next()?;
        let port: u16 = text.parse().map_err(|_| Malformed)?;
        // No sign, no leading zero.
        if port.to_string() != text {
            return Err(Malformed);
        }
    }
    Ok(source)
}

fn binary(bytes: &[u8]) -> Result<Proxied, ProxyError> {
    let Some((fixed, rest)) = bytes.split_at_checked(V2_FIXED) else {
        return Err(Incomplete);
    };
    let [.., command, family, high, low] = fixed else {
        return Err(Malformed);
    };
    let long = usize::from(u16::from_be_bytes([*high, *low]));
    let length = V2_FIXED + long;
    if length > MAX_HEADER {
        return Err(Malformed);
    }
    // The fixed parts are checked before it waits for the rest.
    let for_itself = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed),
    };
    // Address family, then stream or datagram; a connection is no datagram.
    let least = match family {
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ if for_itself => 0,
        _ => return Err(Malformed),
    };
    if !for_itself && long < least {
        return Err(Malformed);
    }
    let Some((body, _)) = rest.split_at_checked(long) else {
        return Err(Incomplete);
    };
    let client = match family {
        _ if for_itself => None,
        0x11 => {
            let source = body.first_chunk::<4>().ok_or(Malformed)?;
            Some(IpAddr::V4(Ipv4Addr::from(*source)))
        }
        0x21 => {
            let source = body.first_chunk::<16>().ok_or(Malformed)?;
            Some(IpAddr::V6(Ipv6Addr::from(*source)))
        }
        _ => None,
    };
    extensions(body.get(least..).unwrap_or_default(), for_itself)?;
    Ok(Proxied { length, client })
}

/// What follows the addresses must be complete, although it is not used.
fn extensions(mut bytes: &[u8], for_itself: bool) -> Result<(), ProxyError> {
    // The receiver of a LOCAL command must skip all of it unread.
    while !for_itself && !bytes.is_empty() {
        let ([_kind, high, low], rest) = bytes.split_first_chunk().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        (_, bytes) = rest.split_at_checked(length).ok_or(Malformed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2, &[command, family][..], &length, body].concat()
    }

    /// The whole is taken, every part of it is incomplete, and what follows is left alone.
    #[track_caller]
    fn taken(header: &[u8], client: Option<IpAddr>) {
        let length = header.len();
        assert_eq!(parse(header), Ok(Proxied { length, client }));
        let more = [header, b"POST / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&more), Ok(Proxied { length, client }));
        for cut in 0..length {
            assert_eq!(parse(&header[..cut]), Err(Incomplete), "{cut}");
        }
    }

    #[test]
    fn a_line_names_the_client() {
        taken(
            b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\r\n",
            client("203.0.113.7"),
        );
        taken(
            b"PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n",
            client("2001:db8::7"),
        );
        taken(b"PROXY UNKNOWN\r\n", None);
        taken(b"PROXY UNKNOWN ffff:: anything at all\r\n", None);
        let longest = format!(
            "PROXY UNKNOWN {a} {a} 65535 65535\r\n",
            a = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        );
        assert_eq!(longest.len(), MAX_LINE);
        taken(longest.as_bytes(), None);
    }

    #[test]
    fn a_line_that_no_proxy_writes_is_refused() {
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXY  TCP4 203.0.113.7 192.0.2.1 5555 443\r\n",
            "PROXY TCP4 203.0.113.7  192.0.2.1 5555 443\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 5555 443 \r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 5555 443 1\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 5555\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 05555 443\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 +5555 443\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
            "PROXY TCP4 203.0.113.007 192.0.2.1 5555 443\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 5555 443\r\n",
            "PROXY TCP6 203.0.113.7 192.0.2.1 5555 443\r\n",
            "PROXY TCP6 2001:db8::7%1 2001:db8::1 5555 443\r\n",
            "PROXY UDP4 203.0.113.7 192.0.2.1 5555 443\r\n",
            "PROXY tcp4 203.0.113.7 192.0.2.1 5555 443\r\n",
            "PROXY\tTCP4 203.0.113.7 192.0.2.1 5555 443\r\n",
            "PROXY TCP4\t203.0.113.7 192.0.2.1 5555 443\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\rX",
            "PROXY\r\n",
            "proxy UNKNOWN\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert_eq!(parse(endless.as_bytes()), Err(Malformed));
    }

    #[test]
    fn a_binary_header_names_the_client() {
        let v4 = [203, 0, 113, 8, 192, 0, 2, 1, 1, 2, 3, 4];
        taken(&v2(0x21, 0x11, &v4), client("203.0.113.8"));
        let extended = [&v4[..], &[4, 0, 2, 9, 9], &[0x20, 0, 0]].concat();
        taken(&v2(0x21, 0x11, &extended), client("203.0.113.8"));
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 8;
        taken(&v2(0x21, 0x21, &v6), client("2001:db8::8"));
        // For itself, without addresses, by a local socket.
        taken(&v2(0x20, 0x00, b""), None);
        taken(&v2(0x20, 0x11, &v4), None);
        taken(&v2(0x20, 0x77, b"what it likes"), None);
        taken(&v2(0x21, 0x00, b""), None);
        taken(&v2(0x21, 0x31, &[b'/'; 216]), None);
    }

    #[test]
    fn a_binary_header_that_no_proxy_writes_is_refused() {
        let v4 = [203, 0, 113, 8, 192, 0, 2, 1, 1, 2, 3, 4];
        for header in [
            v2(0x11, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x12, &v4),
            v2(0x21, 0x41, &v4),
            v2(0x21, 0x21, &v4),
            v2(0x21, 0x11, &v4[..11]),
            v2(0x21, 0x11, &[&v4[..], &[4, 0, 2, 9]].concat()),
            v2(0x21, 0x11, &[&v4[..], &[4]].concat()),
            v2(0x21, 0x00, &[0; 1009]),
        ] {
            assert_eq!(parse(&header), Err(Malformed), "{header:?}");
        }
    }
}
