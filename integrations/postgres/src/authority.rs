//! The certificate authority of an agent's databases.
//!
//! It is made once, in the directory for state, and clients that verify servers have its certificate. Its key never
//! leaves that directory. A server's certificate is short-lived, and made again long before it ends.

use std::{net::IpAddr, path::Path, time::Duration};

use keyward_crypto::random;
use keyward_types::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    der::{
        Decode as _,
        asn1::{PrintableStringRef, Utf8StringRef},
        oid::AssociatedOid as _,
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};
use zeroize::Zeroizing;

use crate::{
    error::Error,
    files::{self, Access},
};

/// How long the authority is good for. There is no way to replace it without telling all clients.
const AUTHORITY: Duration = days(20 * 365);
/// How long the certificate of a server is.
const SERVER: Duration = days(365);
/// How long before its end it is made again.
const RENEW: Duration = days(120);
/// How far clocks of clients may be behind.
const BEHIND: Duration = days(1);
/// The longest file that is read.
const MAX_FILE: u64 = 64 * 1024;

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// The authority.
pub struct Authority {
    pem: String,
    name: String,
    not_after: Duration,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority of a directory, which belongs to root, or makes it.
    ///
    /// # Errors
    /// When a file of it is missing or damaged, or the kernel refuses.
    pub fn open(state: &Path, now: Timestamp) -> Result<Self, Error> {
        let folder = state.join("authority");
        files::folder(&folder, Access::root(0o700))?;
        let (key_path, path) = (folder.join("authority.key"), folder.join("authority.pem"));
        let damaged = |at: &Path, reason: String| Error::Authority {
            at: at.to_owned(),
            reason,
        };
        let key = files::read(&key_path, MAX_FILE)?.map(Zeroizing::new);
        let pem = files::read(&path, MAX_FILE)?;
        let key = match (&key, &pem) {
            (Some(key), _) => {
                KeyPair::from_pem(key).map_err(|error| damaged(&key_path, error.to_string()))?
            }
            (None, Some(_)) => return Err(damaged(&key_path, "it is missing".to_owned())),
            (None, None) => {
                let key = KeyPair::generate().map_err(certificate)?;
                let text = Zeroizing::new(key.serialize_pem());
                files::write(&key_path, text.as_bytes(), Access::root(0o600))?;
                key
            }
        };
        let pem = match pem {
            Some(pem) => pem,
            None => {
                let name = format!(
                    "Keyward database authority {:08x}",
                    u32::from_ne_bytes(random::array())
                );
                let params = params_of_authority(&name, now)?;
                let pem = params.self_signed(&key).map_err(certificate)?.pem();
                files::write(&path, pem.as_bytes(), Access::root(0o644))?;
                tracing::info!(path = %path.display(), "a certificate authority for databases was made");
                pem
            }
        };
        let parsed =
            parse(&pem).ok_or_else(|| damaged(&path, "it is not a certificate".to_owned()))?;
        let own = parsed.public_key.as_slice();
        if own != key.public_key_raw() {
            return Err(damaged(&path, "it has another key".to_owned()));
        }
        let issuer = Issuer::new(params_of_authority(&parsed.subject, now)?, key);
        Ok(Self {
            pem,
            name: parsed.subject,
            not_after: parsed.not_after,
            issuer,
        })
    }

    /// The certificate, which clients can be given as their CA file.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes a new certificate with its key for a server with these names, the most usual one first.
    pub(crate) fn issue(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<Zeroizing<String>, Error> {
        let seconds = since_1970(now);
        let until = (seconds + SERVER).min(self.not_after);
        if until < seconds + BEHIND {
            return Err(Error::Certificate(format!(
                "the authority `{}` has ended: move its directory `authority` away and restart this program, and give clients the certificate of the new authority",
                self.name
            )));
        }
        let key = KeyPair::generate().map_err(certificate)?;
        let mut params = CertificateParams::new(names).map_err(certificate)?;
        params.distinguished_name = distinguished(names.first().map_or("", String::as_str));
        params.serial_number = Some(serial());
        params.not_before = date(seconds.saturating_sub(BEHIND))?;
        params.not_after = date(until)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let signed = params.signed_by(&key, &self.issuer).map_err(certificate)?;
        // Both in one file, so that they always fit to each other.
        let private = Zeroizing::new(key.serialize_pem());
        Ok(Zeroizing::new(format!("{}{}", signed.pem(), *private)))
    }

    /// Whether a certificate that was written is of this authority, for exactly these names, and good for long enough.
    pub(crate) fn is_good(&self, pem: &str, names: &[String], now: Timestamp) -> bool {
        let Some(parsed) = parse(pem) else {
            return false;
        };
        let mut wanted: Vec<String> = names.iter().map(|name| normal(name)).collect();
        let mut found = parsed.names;
        wanted.sort_unstable();
        found.sort_unstable();
        let now = since_1970(now);
        let end = parsed.not_after;
        // Near the end of the authority, a new one would be no better.
        let is_last = end >= self.not_after && now < end;
        let lasts = now < end.saturating_sub(RENEW) || is_last;
        parsed.issuer == self.name && found == wanted && lasts
    }
}

/// Reads the certificate at the beginning of a file.
fn parse(pem: &str) -> Option<Parsed> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let parsed = Certificate::from_der(&der).ok()?;
    let parsed = parsed.tbs_certificate();
    let mut names = Vec::new();
    for extension in parsed.extensions().into_iter().flatten() {
        if extension.extn_id == SubjectAltName::OID {
            let found = SubjectAltName::from_der(extension.extn_value.as_bytes()).ok()?;
            names = found.0.iter().map(alternative).collect::<Option<_>>()?;
        }
    }
    let key = parsed.subject_public_key_info();
    Some(Parsed {
        subject: common_name(parsed.subject())?,
        issuer: common_name(parsed.issuer())?,
        names,
        not_after: parsed.validity().not_after.to_unix_duration(),
        public_key: key.subject_public_key.as_bytes()?.to_vec(),
    })
}

#[derive(Debug)]
struct Parsed {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_after: Duration,
    public_key: Vec<u8>,
}

fn common_name(name: &x509_cert::name::Name) -> Option<String> {
    let part = name.iter().next()?;
    let value = &part.value;
    let text = value
        .decode_as::<Utf8StringRef<'_>>()
        .map(|text| text.as_str().to_owned());
    text.or_else(|_| {
        value
            .decode_as::<PrintableStringRef<'_>>()
            .map(|text| text.as_str().to_owned())
    })
    .ok()
}

fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(normal(name.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let address = match bytes.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
            };
            Some(address.to_string())
        }
        _ => None,
    }
}

/// One way to write a name.
fn normal(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

fn params_of_authority(name: &str, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    let seconds = since_1970(now);
    params.distinguished_name = distinguished(name);
    params.serial_number = Some(serial());
    params.not_before = date(seconds.saturating_sub(BEHIND))?;
    params.not_after = date(seconds + AUTHORITY)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A common name has 64 characters at most.
fn distinguished(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(
        DnType::CommonName,
        name.chars().take(64).collect::<String>(),
    );
    distinguished
}

/// 126 bits that are no secret.
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = random::public();
    let [first, ..] = &mut bytes;
    // As a number it is positive, and has all its bytes.
    *first = (*first & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn since_1970(now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default())
}

fn date(since_1970: Duration) -> Result<OffsetDateTime, Error> {
    i64::try_from(since_1970.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or_else(|| Error::Certificate("the machine's clock is far off: set it".to_owned()))
}

fn certificate(error: rcgen::Error) -> Error {
    Error::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000).plus_days(days)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_authority_is_made_once_and_its_key_is_for_root_only() {
        let state = tempfile::tempdir().unwrap();
        let made = Authority::open(state.path(), at(0)).unwrap();
        let again = Authority::open(state.path(), at(400)).unwrap();
        assert_eq!(made.pem(), again.pem());
        let key = state.path().join("authority/authority.key");
        let mode = fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{made:?}").contains("PRIVATE"));
        // A certificate that the first has signed is of the second too.
        let names = names(&["LocalHost", "127.0.0.1", "::1"]);
        let pem = made.issue(&names, at(0)).unwrap();
        assert!(again.is_good(&pem, &names, at(0)));
        fs::remove_file(&key).unwrap();
        let error = Authority::open(state.path(), at(0))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!(
            "`{}` cannot be used (it is missing): ",
            key.display()
        )));
        let other = KeyPair::generate().unwrap().serialize_pem();
        fs::write(&key, other).unwrap();
        let error = Authority::open(state.path(), at(0))
            .unwrap_err()
            .to_string();
        assert!(error.contains("(it has another key)"), "{error}");
    }

    #[test]
    fn a_certificate_is_renewed_before_it_ends_and_for_other_names() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::open(state.path(), at(0)).unwrap();
        let one = names(&["a.example", "10.0.0.1"]);
        let pem = authority.issue(&one, at(0)).unwrap();
        assert!(authority.is_good(&pem, &names(&["10.0.0.1", "A.example"]), at(244)));
        assert!(!authority.is_good(&pem, &one, at(246)));
        assert!(!authority.is_good(&pem, &names(&["a.example"]), at(0)));
        assert!(!authority.is_good(&pem, &names(&["a.example", "10.0.0.2"]), at(0)));
        assert!(!authority.is_good("", &one, at(0)));
        let other = tempfile::tempdir().unwrap();
        let other = Authority::open(other.path(), at(0)).unwrap();
        assert!(!other.is_good(&pem, &one, at(0)));
    }

    #[test]
    fn no_certificate_lasts_longer_than_its_authority() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::open(state.path(), at(0)).unwrap();
        let names = names(&["a"]);
        let last = 20 * 365;
        let pem = authority.issue(&names, at(last - 10)).unwrap();
        // It is not made again and again near the end.
        assert!(authority.is_good(&pem, &names, at(last - 9)));
        assert!(!authority.is_good(&pem, &names, at(last + 1)));
        let error = authority.issue(&names, at(last)).unwrap_err().to_string();
        assert!(
            error.contains("has ended: move its directory `authority` away"),
            "{error}"
        );
    }
}
