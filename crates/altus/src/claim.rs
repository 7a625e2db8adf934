//! What a request claims: which access key signed it, when, and with what.

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use keyward_crypto::{
    digest,
    signer::{KeyKind, MAX_SIGNATURE, SignerKey},
};
use keyward_types::time::Timestamp;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use uuid::Uuid;

use crate::error::{FAILED_PRECONDITION, UNAUTHENTICATED};

/// How far the clock of a client may be off, in either direction, in milliseconds.
pub const WINDOW: i64 = 15 * 60 * 1000;
/// The longest `x-altus-auth` that is read: a signature of RSA with 8192 bits, and what stands before it.
const MAX_AUTH: usize = 2048;
/// The longest time and content type.
const MAX_FIELD: usize = 128;
/// The longest path.
const MAX_PATH: usize = 256;

/// The id of an access key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The id of an access key with a public key, as a `SubjectPublicKeyInfo` in DER. It follows from it, so that no two access
    /// keys have the same: a signature does not say whose it is.
    pub fn of_public_key(der: &[u8]) -> Self {
        let mut id = [0; 16];
        for (byte, of_digest) in id.iter_mut().zip(digest::sha256(der)) {
            *byte = of_digest;
        }
        Self::from_random(id)
    }

    /// A new id from random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        Self(id.hyphenated().to_string())
    }

    /// Reads an id. It is written in one way only: small letters, with hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::parse_str(text).ok()?.hyphenated().to_string();
        (id == text).then_some(Self(id))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Ed25519.
    Ed25519V1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaV1,
    /// ECDSA with SHA-512.
    EcdsaV1,
}

impl Method {
    /// The method of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Ed25519V1, Self::RsaV1, Self::EcdsaV1];
        all.into_iter().find(|method| method.as_str() == name)
    }

    /// What clients call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519V1 => "ed25519v1",
            Self::RsaV1 => "rsav1",
            Self::EcdsaV1 => "ecdsav1",
        }
    }

    /// The method of a kind of key.
    pub fn of(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Ed25519 => Self::Ed25519V1,
            KeyKind::Rsa => Self::RsaV1,
            KeyKind::Ecdsa => Self::EcdsaV1,
        }
    }
}

/// The parts of a request's head that are signed, and the signature. Fields that are not there are empty.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it stands on the request line.
    pub path: &'a str,
    /// `Content-Type`
    pub content_type: &'a str,
    /// `x-altus-date`
    pub date: &'a str,
    /// `x-altus-auth`
    pub auth: &'a str,
}

/// Why a request is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing says who asks.
    #[error(
        "The request is not signed. Give the CLI an access key: CDP_ACCESS_KEY_ID and CDP_PRIVATE_KEY, or `cdp configure`."
    )]
    Unsigned,
    /// The signature, or what stands before it, cannot be read.
    #[error("The field x-altus-auth is malformed.")]
    Malformed,
    /// The time cannot be read.
    #[error("The field x-altus-date is missing or malformed.")]
    NoTime,
    /// The clocks are too far apart.
    #[error(
        "The request was signed at {signed}, more than 15 minutes from the server's time, {now}. Check the clock of this machine."
    )]
    Time {
        /// When it claims to have been signed.
        signed: String,
        /// The server's clock.
        now: String,
    },
    /// There is no such key, its user is gone, or the signature is not the key's. Which of these is not told.
    #[error("The access key ID is unknown, or the private key does not belong to it.")]
    Unknown,
    /// The body could be replaced on its way.
    #[error(
        "Requests of this protocol do not sign their bodies. Use an https endpoint, or connect from the same machine, without a proxy."
    )]
    Insecure,
}

impl Refusal {
    /// The code and the HTTP status.
    pub fn code(&self) -> (&'static str, u16) {
        match self {
            Self::Insecure => (FAILED_PRECONDITION, 400),
            Self::Unsigned | Self::Malformed | Self::NoTime | Self::Time { .. } | Self::Unknown => {
                (UNAUTHENTICATED, 401)
            }
        }
    }
}

/// A claim that was read, and of which nothing is proven.
#[derive(Debug)]
pub struct Claim {
    key: KeyId,
    method: Method,
    signed: Timestamp,
    message: String,
    signature: Vec<u8>,
}

/// A claim that was verified.
#[derive(Debug)]
pub struct Verified {
    key: KeyId,
}

impl Verified {
    /// The access key that signed.
    pub fn key(&self) -> &KeyId {
        &self.key
    }
}

#[derive(Deserialize)]
struct Named {
    access_key_id: String,
    auth_method: String,
}

impl Claim {
    /// Reads the claim in a head. Nothing that is longer than a client's is looked at.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(head: &Head<'_>) -> Result<Self, Refusal> {
        if head.auth.is_empty() {
            return Err(Refusal::Unsigned);
        }
        let is_long = [head.content_type, head.date, head.method]
            .iter()
            .any(|field| field.len() > MAX_FIELD);
        if is_long || head.auth.len() > MAX_AUTH || head.path.len() > MAX_PATH {
            return Err(Refusal::Malformed);
        }
        let (named, signature) = head.auth.split_once('.').ok_or(Refusal::Malformed)?;
        let named = decoded(named)?;
        let named: Named = serde_json::from_slice(&named).map_err(|_| Refusal::Malformed)?;
        let method = Method::parse(&named.auth_method).ok_or(Refusal::Malformed)?;
        let signature = decoded(signature)?;
        if signature.len() > MAX_SIGNATURE {
            return Err(Refusal::Malformed);
        }
        let (content_type, date) = (head.content_type.trim(), head.date.trim());
        let signed = OffsetDateTime::parse(date, &Rfc2822).map_err(|_| Refusal::NoTime)?;
        let message = format!(
            "{}\n{content_type}\n{date}\n{}\n{}",
            head.method.to_ascii_uppercase(),
            head.path,
            method.as_str()
        );
        Ok(Self {
            // What is no id is the id of nobody's key.
            key: KeyId::parse(&named.access_key_id).ok_or(Refusal::Unknown)?,
            method,
            signed: Timestamp::from_seconds(signed.unix_timestamp()),
            message,
            signature,
        })
    }

    /// Checks that the request was signed about now.
    ///
    /// # Errors
    /// When it was not.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        // A request's time has no fraction.
        let seconds = Timestamp::from_seconds(now.seconds());
        if self.signed < seconds.plus_millis(-WINDOW) || self.signed > seconds.plus_millis(WINDOW) {
            return Err(Refusal::Time {
                signed: self.signed.iso8601().to_string(),
                now: seconds.iso8601().to_string(),
            });
        }
        Ok(())
    }

    /// The access key that is claimed.
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// Verifies the signature with the public key of the access key.
    ///
    /// # Errors
    /// When it does not hold, or the key does not sign with the method that is claimed.
    pub fn verify(self, key: &SignerKey) -> Result<Verified, Refusal> {
        let is_its = Method::of(key.kind()) == self.method;
        let verified = key.verify(self.message.as_bytes(), &self.signature);
        match verified {
            Ok(()) if is_its => Ok(Verified { key: self.key }),
            Ok(()) | Err(_) => Err(Refusal::Unknown),
        }
    }
}

/// Base64 with the alphabet for URLs, which clients write with padding.
fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = match text.ends_with('=') {
        true => URL_SAFE.decode(text),
        false => URL_SAFE_NO_PAD.decode(text),
    };
    decoded.map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use keyward_crypto::signer::SignerKey;

    use super::*;

    /// What `cdp` 0.9.164 sent at 1 December 2026, 08:00:00, with a private key of 32 zero bytes; likewise for the other
    /// two methods, with keys that were made for this test.
    const SENT: &str = include_str!("../tests/sent.json");

    #[derive(Deserialize)]
    struct Sent {
        method: String,
        auth: String,
        public_key: String,
    }

    fn sent() -> Vec<Sent> {
        serde_json::from_str(SENT).unwrap()
    }

    fn head(auth: &str) -> Head<'_> {
        Head {
            method: "POST",
            path: "/api/v1/de/listServices",
            content_type: "application/json",
            date: "Tue, 01 Dec 2026 08:00:00 GMT",
            auth,
        }
    }

    fn key(sent: &Sent) -> SignerKey {
        let der = base64::engine::general_purpose::STANDARD
            .decode(&sent.public_key)
            .unwrap();
        SignerKey::parse(&der).unwrap()
    }

    #[test]
    fn what_the_cli_signs_is_verified_in_its_three_methods() {
        let all = sent();
        assert_eq!(
            all.iter().map(|sent| &*sent.method).collect::<Vec<_>>(),
            ["ed25519v1", "rsav1", "ecdsav1"]
        );
        for sent in &all {
            let claim = Claim::read(&head(&sent.auth)).unwrap();
            assert_eq!(claim.key().as_str(), "0b5c7c0e-4f0a-4a6b-9a5e-3f1d2c4b5a69");
            assert_eq!(claim.method.as_str(), sent.method);
            let key_id = claim.key().clone();
            let verified = claim.verify(&key(sent)).unwrap();
            assert_eq!(verified.key(), &key_id);
        }
    }

    #[test]
    fn every_part_of_the_head_is_signed_and_no_other_key_fits() {
        let all = sent();
        for sent in &all {
            let key = key(sent);
            for changed in [
                Head {
                    path: "/api/v1/de/disableService",
                    ..head(&sent.auth)
                },
                Head {
                    method: "PUT",
                    ..head(&sent.auth)
                },
                Head {
                    content_type: "text/plain",
                    ..head(&sent.auth)
                },
                Head {
                    date: "Tue, 01 Dec 2026 08:00:01 GMT",
                    ..head(&sent.auth)
                },
            ] {
                let claim = Claim::read(&changed).unwrap();
                assert_eq!(claim.verify(&key).unwrap_err(), Refusal::Unknown);
            }
            for other in all.iter().filter(|other| other.method != sent.method) {
                let claim = Claim::read(&head(&sent.auth)).unwrap();
                assert_eq!(
                    claim.verify(&self::key(other)).unwrap_err(),
                    Refusal::Unknown
                );
            }
        }
    }

    #[test]
    fn the_clock_may_be_a_quarter_of_an_hour_off() {
        let all = sent();
        let claim = || Claim::read(&head(&all.first().unwrap().auth)).unwrap();
        let at = |seconds: i64| Timestamp::from_seconds(1_796_112_000 + seconds);
        assert_eq!(at(0).iso8601().as_str(), "2026-12-01T08:00:00Z");
        for good in [-900, 0, 900] {
            assert_eq!(claim().check_time(at(good)), Ok(()), "{good}");
        }
        assert_eq!(claim().check_time(at(900).plus_millis(999)), Ok(()));
        for bad in [-901, 901, 1_000_000] {
            let refused = claim().check_time(at(bad)).unwrap_err();
            assert_eq!(refused.code(), (UNAUTHENTICATED, 401));
            assert!(
                refused.to_string().starts_with(
                    "The request was signed at 2026-12-01T08:00:00Z, more than 15 minutes from"
                ),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_before_anything_is_looked_up() {
        let all = sent();
        let auth = &all.first().unwrap().auth;
        let (named, signature) = auth.split_once('.').unwrap();
        let long = "a".repeat(MAX_AUTH + 1);
        let json = |text: &str| format!("{}.{signature}", URL_SAFE.encode(text));
        for (auth, refusal) in [
            (String::new(), Refusal::Unsigned),
            (named.to_owned(), Refusal::Malformed),
            (format!("{named}.*"), Refusal::Malformed),
            (format!("*.{signature}"), Refusal::Malformed),
            (long, Refusal::Malformed),
            (json("{}"), Refusal::Malformed),
            (json("[]"), Refusal::Malformed),
            (
                json(r#"{"access_key_id":"x","auth_method":"none"}"#),
                Refusal::Malformed,
            ),
            (
                json(r#"{"access_key_id":"x","auth_method":"rsav1"}"#),
                Refusal::Unknown,
            ),
        ] {
            assert_eq!(Claim::read(&head(&auth)).unwrap_err(), refusal, "{auth}");
        }
        for date in ["", "2026-12-01T08:00:00Z", "yesterday"] {
            let refused = Claim::read(&Head { date, ..head(auth) }).unwrap_err();
            assert_eq!(refused, Refusal::NoTime);
        }
        let path = "/".repeat(MAX_PATH + 1);
        let refused = Claim::read(&Head {
            path: &path,
            ..head(auth)
        })
        .unwrap_err();
        assert_eq!(refused, Refusal::Malformed);
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        let id = KeyId::from_random([0xab; 16]);
        assert_eq!(KeyId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(KeyId::parse(&id.as_str().to_uppercase()), None);
        assert_eq!(KeyId::parse(&id.as_str().replace('-', "")), None);
    }
}
