//! The URLs of issuers: `https` only, and nothing that could mean two things.

use std::fmt;

/// The longest URL.
const MAX_BYTES: usize = 2048;

/// An `https` URL without user information and fragment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpsUrl {
    text: Box<str>,
    host: Box<str>,
    port: u16,
    target: Box<str>,
}

/// The text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a plain https URL")]
pub struct HttpsUrlError;

impl HttpsUrl {
    /// Parses `https://host[:port][/path][?query]` of printable ASCII.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, HttpsUrlError> {
        let rest = text.strip_prefix("https://").ok_or(HttpsUrlError)?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
        if text.len() > MAX_BYTES || !rest.bytes().all(plain) {
            return Err(HttpsUrlError);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(HttpsUrlError)?;
        let (host, port) = host_and_port(authority)?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            text: text.into(),
            host: host.into(),
            port,
            target: format!("{slash}{target}").into(),
        })
    }

    /// The whole URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host: a name or an address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 443 if none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, for the request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The value of a `Host` field.
    pub fn authority(&self) -> &str {
        let rest = self.text.strip_prefix("https://").unwrap_or_default();
        rest.split(['/', '?']).next().unwrap_or_default()
    }
}

fn host_and_port(authority: &str) -> Result<(&str, u16), HttpsUrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(HttpsUrlError)?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| HttpsUrlError)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, parse_port(port)?)),
            None if after.is_empty() => Ok((host, 443)),
            None => Err(HttpsUrlError),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (authority, 443),
    };
    let label = |label: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(legal)
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(HttpsUrlError);
    }
    // `0x7f.1` and `2130706433` are addresses to some resolvers: four plain numbers or a name.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(HttpsUrlError);
    }
    Ok((host, port))
}

fn parse_port(text: &str) -> Result<u16, HttpsUrlError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().map_err(|_| HttpsUrlError)?;
    if plain && port != 0 {
        Ok(port)
    } else {
        Err(HttpsUrlError)
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        for (text, host, port, target) in [
            ("https://a.example", "a.example", 443, "/"),
            ("https://a.example/", "a.example", 443, "/"),
            (
                "https://a.example:8443/x/y?z=1",
                "a.example",
                8443,
                "/x/y?z=1",
            ),
            ("https://a.example?z", "a.example", 443, "/?z"),
            ("https://127.0.0.1:1/x", "127.0.0.1", 1, "/x"),
            ("https://[::1]:9/x", "::1", 9, "/x"),
            ("https://[::1]", "::1", 443, "/"),
        ] {
            let url = HttpsUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.port(), url.target()), (host, port, target));
            assert_eq!(url.as_str(), text);
        }
        let url = HttpsUrl::parse("https://[::1]:9/x").unwrap();
        assert_eq!(url.authority(), "[::1]:9");
    }

    #[test]
    fn what_could_mean_two_things_is_no_url() {
        for text in [
            "",
            "a.example",
            "http://a.example",
            "HTTPS://a.example",
            "https://",
            "https:///x",
            "https://:443/",
            "https://user@a.example/",
            "https://user:pass@a.example/",
            "https://a.example:/",
            "https://a.example:0/",
            "https://a.example:+1/",
            "https://a.example:65536/",
            "https://a.example/#x",
            "https://a.example\\@b.example/",
            "https://a..example/",
            "https://a.example./x",
            "https://a b/",
            "https://a.example/\r\nx: y",
            "https://ä.example/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://127.1/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[fe80::1%25eth0]/",
        ] {
            assert_eq!(HttpsUrl::parse(text), Err(HttpsUrlError), "{text}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_BYTES));
        assert_eq!(HttpsUrl::parse(&long), Err(HttpsUrlError));
    }
}
