//! What a certificate contains: the period in which it is valid, and its names.

use std::time::Duration;

use keyward_types::time::Timestamp;
use rustls::{client::verify_server_name, server::ParsedCertificate};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
    time::Time,
};

/// The period in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: Timestamp,
    /// The last second.
    pub until: Timestamp,
}

/// Whether a certificate is valid at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Valid,
    /// Not yet.
    NotYet,
    /// Not any more.
    Expired,
}

/// The bytes are not an X.509 certificate.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is not an X.509 certificate")]
pub struct NotCertificate;

impl Validity {
    /// Reads it from a certificate.
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, NotCertificate> {
        let certificate = Certificate::from_der(certificate).map_err(|_| NotCertificate)?;
        let validity = certificate.tbs_certificate().validity();
        Ok(Self {
            from: timestamp(validity.not_before),
            until: timestamp(validity.not_after),
        })
    }

    /// Whether the certificate is valid at a given time.
    pub fn at(self, now: Timestamp) -> Standing {
        if now < self.from {
            Standing::NotYet
        } else if now > self.until {
            Standing::Expired
        } else {
            Standing::Valid
        }
    }
}

fn timestamp(time: Time) -> Timestamp {
    seconds(time.to_unix_duration())
}

fn seconds(since: Duration) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Converts the TLS library's time into ours.
pub fn from_unix(time: UnixTime) -> Timestamp {
    seconds(Duration::from_secs(time.as_secs()))
}

/// Whether a certificate is for a host: a DNS name or an address.
pub fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (
        ParsedCertificate::try_from(certificate),
        ServerName::try_from(host),
    ) else {
        return false;
    };
    verify_server_name(&certificate, &name).is_ok()
}

/// The DNS names that a certificate is for.
pub fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let Ok(Some((_, names))) = names else {
        return Vec::new();
    };
    let dns = names.0.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        _ => None,
    });
    dns.collect()
}
