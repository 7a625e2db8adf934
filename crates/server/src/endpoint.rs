//! The server's URL: the one that is bound, and the one for clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use keyward_client::certificate;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::config::TlsFiles;

/// The URL of the address that is bound.
pub fn bound(address: SocketAddr, tls: bool) -> String {
    format!("{}://{address}", if tls { "https" } else { "http" })
}

/// The URL for clients on this machine. They cannot connect to the wildcard address, and with TLS
/// they need a name that is in the certificate.
pub fn for_clients(address: SocketAddr, tls: Option<&TlsFiles>) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(ip, address.port());
    let Some(files) = tls else {
        return bound(address, false);
    };
    let certificate = CertificateDer::from_pem_file(&files.certificate);
    let name = certificate.ok().and_then(|own| name(&own, ip));
    match name {
        Some(name) => format!("https://{name}:{}", address.port()),
        None => bound(address, true),
    }
}

/// A name in the certificate, if the address itself is not in it.
fn name(certificate: &CertificateDer<'_>, ip: IpAddr) -> Option<String> {
    if certificate::is_for(certificate, &ip.to_string()) {
        return None;
    }
    if ip.is_loopback() && certificate::is_for(certificate, "localhost") {
        return Some("localhost".to_owned());
    }
    let names = certificate::dns_names(certificate);
    names.into_iter().find(|name| !name.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_not_sent_to_every_address() {
        let shown = |address: &str| for_clients(address.parse().unwrap(), None);
        assert_eq!(shown("127.0.0.1:5670"), "http://127.0.0.1:5670");
        assert_eq!(shown("0.0.0.0:80"), "http://127.0.0.1:80");
        assert_eq!(shown("[::]:80"), "http://[::1]:80");
        assert_eq!(shown("10.1.2.3:80"), "http://10.1.2.3:80");
    }
}
