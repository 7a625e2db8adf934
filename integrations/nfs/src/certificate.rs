//! The certificate that amazon-efs-utils makes for each mount, by its published layout
//! (<https://github.com/aws/efs-utils>, `certificate_utils.py`).
//!
//! It is signed by its own key, so that nobody vouches for it. What counts is that the client has the key, which
//! TLS proves, and the signed request in it, which names the hash of that key: whoever copies the request
//! without the key cannot use it.

use std::time::Duration;

use keyward_crypto::digest::sha1_of_public_key;
use rustls_pki_types::SignatureVerificationAlgorithm;
use x509_cert::{
    Certificate,
    der::{
        Decode, Encode as _, ErrorKind, Reader, SliceReader, TagNumber,
        asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UtcTime, Utf8StringRef},
    },
    spki::AlgorithmIdentifierOwned,
};

use crate::authorize::{ClientCertificate, Identity};

/// The longest certificate that is read. A session token is most of it.
pub const MAX_CERTIFICATE: usize = 16 * 1024;
const MAX_ID: usize = 128;
const MAX_TOKEN: usize = 8 * 1024;
/// A signature by HMAC-SHA-256 in hexadecimal.
const SIGNATURE: usize = 64;
const MAX_INFO: usize = 8;
const MAX_INFO_TEXT: usize = 128;

const ACCESS_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.4843.7.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.4843.7.2");
const FILE_SYSTEM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.4843.7.3");
const CLIENT_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.4843.7.4");

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It is not an X.509 certificate, or longer than [`MAX_CERTIFICATE`].
    #[error("it is not an X.509 certificate")]
    NotCertificate,
    /// Its own key has not signed it, or in a way that is not supported.
    #[error("it is not signed by its own key")]
    NotSelfSigned,
    /// Its time has not come, or is over.
    #[error("it is not valid at this time")]
    NotNow,
    /// It does not have the layout of amazon-efs-utils.
    #[error("it does not have the layout of amazon-efs-utils: {0}")]
    Layout(&'static str),
}

/// A certificate that was read, for whatever volume it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The volume that it is for.
    pub file_system: String,
    /// The rest.
    pub certificate: ClientCertificate,
}

/// Reads a certificate that [`check`] has accepted.
///
/// # Errors
/// Why it is not accepted.
pub fn read(der: &[u8]) -> Result<Parsed, Unacceptable> {
    extensions(&decode(der)?)
}

fn decode(der: &[u8]) -> Result<Certificate, Unacceptable> {
    if der.len() > MAX_CERTIFICATE {
        return Err(Unacceptable::NotCertificate);
    }
    Certificate::from_der(der).map_err(|_| Unacceptable::NotCertificate)
}

/// Checks a certificate that a client shows: that its own key has signed it, that it is valid at `now` (since
/// 1970-01-01T00:00:00Z), and that it has the layout.
///
/// # Errors
/// Why it is not accepted.
pub fn check(
    der: &[u8],
    now: Duration,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<Parsed, Unacceptable> {
    let certificate = decode(der)?;
    check_signature(der, &certificate, algorithms).ok_or(Unacceptable::NotSelfSigned)?;
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (validity.not_before, validity.not_after);
    if now < from.to_unix_duration() || now > until.to_unix_duration() {
        return Err(Unacceptable::NotNow);
    }
    extensions(&certificate)
}

fn check_signature(
    der: &[u8],
    certificate: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Option<()> {
    let signed = signed_part(der).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    let key_algorithm = contents(&key.algorithm)?;
    let signature_algorithm = contents(certificate.signature_algorithm())?;
    let key = key.subject_public_key.as_bytes()?;
    let signature = certificate.signature().as_bytes()?;
    let mut fitting = algorithms.iter().filter(|algorithm| {
        *algorithm.public_key_alg_id() == *key_algorithm
            && *algorithm.signature_alg_id() == *signature_algorithm
    });
    let verified =
        fitting.any(|algorithm| algorithm.verify_signature(key, signed, signature).is_ok());
    verified.then_some(())
}

/// The bytes of the certificate that are signed.
fn signed_part(der: &[u8]) -> Result<&[u8], x509_cert::der::Error> {
    let whole = AnyRef::from_der(der)?.value();
    SliceReader::new(whole)?.tlv_bytes()
}

/// An algorithm's identifier without the tag and length around it.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

fn extensions(certificate: &Certificate) -> Result<Parsed, Unacceptable> {
    let mut file_system = None;
    let mut access_point = None;
    let mut identity = None;
    let mut client_info = None;
    let found = certificate.tbs_certificate().extensions();
    for extension in found.into_iter().flatten() {
        let value = extension.extn_value.as_bytes();
        let is_new = match extension.extn_id {
            FILE_SYSTEM => file_system.replace(id(value)?).is_none(),
            ACCESS_POINT => access_point.replace(id(value)?).is_none(),
            CLIENT_AUTH => identity.replace(client_auth(value)?).is_none(),
            CLIENT_INFO => client_info.replace(info(value)?).is_none(),
            _ if extension.critical => {
                return Err(Unacceptable::Layout("an unknown extension is critical"));
            }
            _ => true,
        };
        if !is_new {
            return Err(Unacceptable::Layout("an extension is there twice"));
        }
    }
    let key = certificate.tbs_certificate().subject_public_key_info();
    Ok(Parsed {
        file_system: file_system.ok_or(Unacceptable::Layout("it names no file system"))?,
        certificate: ClientCertificate {
            access_point,
            identity,
            public_key_hash: hexadecimal(&sha1_of_public_key(key.subject_public_key.raw_bytes())),
            client_info: client_info.unwrap_or_default(),
        },
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of a file system or an access point.
fn id(value: &[u8]) -> Result<String, Unacceptable> {
    let refused = Unacceptable::Layout("an id is malformed");
    let text = Utf8StringRef::from_der(value).map_err(|_| refused)?;
    let text = text.as_str();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || text.len() > MAX_ID || !text.bytes().all(allowed) {
        return Err(refused);
    }
    Ok(text.to_owned())
}

/// ```text
/// SEQUENCE { accessKeyId UTF8String, signature OCTET STRING, sigv4DateTime UTCTime,
///            sessionToken [0] EXPLICIT UTF8String OPTIONAL }
/// ```
///
/// The signature is its hexadecimal text, as the tool that makes the certificate writes it.
fn client_auth(value: &[u8]) -> Result<Identity, Unacceptable> {
    let refused = Unacceptable::Layout("the client's signature is malformed");
    let mut reader = SliceReader::new(value).map_err(|_| refused)?;
    let parsed = reader.sequence(|reader| {
        let access_key_id = Utf8StringRef::decode(reader)?;
        let signature = <&OctetStringRef>::decode(reader)?;
        let signed_at = UtcTime::decode(reader)?;
        let token = ContextSpecific::<Utf8StringRef<'_>>::decode_explicit(reader, TagNumber(0))?;
        Ok::<_, x509_cert::der::Error>((
            access_key_id.as_str().to_owned(),
            signature.as_bytes().to_vec(),
            signed_at.to_date_time(),
            token.map(|token| token.value.as_str().to_owned()),
        ))
    });
    let parsed = parsed.and_then(|parsed| match reader.is_finished() {
        true => Ok(parsed),
        false => Err(ErrorKind::Failed.into()),
    });
    let (access_key_id, signature, at, session_token) = parsed.map_err(|_| refused)?;
    let signature = String::from_utf8(signature).map_err(|_| refused)?;
    let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = (1..=MAX_ID).contains(&access_key_id.len())
        && access_key_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric())
        && signature.len() == SIGNATURE
        && signature.bytes().all(is_hexadecimal)
        && session_token.as_deref().is_none_or(is_token);
    if !fits {
        return Err(refused);
    }
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minutes, seconds) = (at.hour(), at.minutes(), at.seconds());
    Ok(Identity {
        access_key_id,
        date_time: format!("{year:04}{month:02}{day:02}T{hour:02}{minutes:02}{seconds:02}Z"),
        signature,
        session_token,
    })
}

fn is_token(token: &str) -> bool {
    (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A sequence of texts: where the client runs, and the version of its tool.
fn info(value: &[u8]) -> Result<Vec<String>, Unacceptable> {
    let refused = Unacceptable::Layout("what the client says of itself is malformed");
    let mut reader = SliceReader::new(value).map_err(|_| refused)?;
    let texts = reader.sequence(|reader| {
        let mut texts = Vec::new();
        while !reader.is_finished() && texts.len() < MAX_INFO {
            let text = Utf8StringRef::decode(reader)?;
            texts.push(text.as_str().to_owned());
        }
        Ok::<_, x509_cert::der::Error>(texts)
    });
    let texts = texts.map_err(|_| refused)?;
    let printable = |text: &String| {
        text.len() <= MAX_INFO_TEXT && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    if !texts.iter().all(printable) || !reader.is_finished() {
        return Err(refused);
    }
    Ok(texts)
}

#[cfg(test)]
mod tests;
