//! An issuer's keys, as it publishes them.
//!
//! <https://www.rfc-editor.org/rfc/rfc7517>

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward_crypto::verify::{Curve, PublicKey, SignatureAlgorithm};
use serde::Deserialize;

use crate::token::{UnverifiedToken, algorithm};

/// The most keys of a set: AWS reads 100 of RSA and 100 of elliptic curves.
const MAX_KEYS: usize = 200;
/// The most keys of one id that are tried.
const MAX_TRIED: usize = 4;

/// The keys of an issuer that can verify signatures.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<SignatureAlgorithm>,
    key: PublicKey,
}

/// The document is not a key set, or has too many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a JSON Web Key Set of at most 200 keys")]
pub struct KeySetError;

/// What a set says of a token's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// One of the keys made it.
    Holds,
    /// None of the keys that could have made it did.
    Fails,
    /// No key could have made it.
    NoKey,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawKey>,
}

/// A key's members; which must be there depends on its type.
#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a document. Keys of other types and for other uses are passed over, as the standard
    /// says.
    ///
    /// # Errors
    /// When it is not a key set.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let set: RawSet = serde_json::from_slice(document).map_err(|_| KeySetError)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeySetError);
        }
        Ok(Self(set.keys.into_iter().filter_map(Key::read).collect()))
    }

    /// How many keys can verify something.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key can verify anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds the token's signature against the keys of its key id; a token without key id needs
    /// a set with a single key that suits it.
    pub fn verify(&self, token: &UnverifiedToken) -> SignatureVerdict {
        let mut suitable = self.0.iter().filter(|key| key.suits(token));
        if token.key_id.is_none() && suitable.clone().count() != 1 {
            return SignatureVerdict::NoKey;
        }
        let mut verdict = SignatureVerdict::NoKey;
        for key in suitable.by_ref().take(MAX_TRIED) {
            let holds = key
                .key
                .verify(token.algorithm, &token.signed, &token.signature);
            if holds.is_ok() {
                return SignatureVerdict::Holds;
            }
            verdict = SignatureVerdict::Fails;
        }
        verdict
    }
}

impl Key {
    fn read(raw: RawKey) -> Option<Self> {
        if raw.usage.is_some_and(|usage| usage != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let key = match raw.kty.as_str() {
            "RSA" => PublicKey::rsa(&bytes(raw.n)?, &bytes(raw.e)?).ok()?,
            "EC" => {
                let curve = match raw.crv?.as_str() {
                    "P-256" => Curve::P256,
                    "P-384" => Curve::P384,
                    "P-521" => Curve::P521,
                    _ => return None,
                };
                PublicKey::ec(curve, &bytes(raw.x)?, &bytes(raw.y)?).ok()?
            }
            _ => return None,
        };
        let algorithm = match raw.alg {
            // A key for an algorithm that is not accepted is of no use.
            Some(name) => Some(algorithm(&name)?),
            None => None,
        };
        Some(Self {
            id: raw.kid,
            algorithm,
            key,
        })
    }

    fn suits(&self, token: &UnverifiedToken) -> bool {
        (token.key_id.is_none() || self.id == token.key_id)
            && self.algorithm.is_none_or(|only| only == token.algorithm)
            && self.key.suits(token.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7517, appendix A.1, with the key of RFC 7515, appendix A.3, in its second place.
    const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"1"}"#;

    fn set(keys: &[&str]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    #[test]
    fn keys_that_can_verify_are_read_and_others_passed_over() {
        assert_eq!(set(&[]).unwrap().len(), 0);
        assert_eq!(set(&[RSA, EC]).unwrap().len(), 2);
        for other in [
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            &RSA.replace("\"kid\"", "\"use\":\"enc\",\"kid\""),
            &RSA.replace("RS256", "PS256"),
            &RSA.replace("AQAB", "AA"),
            &EC.replace("P-256", "secp256k1"),
            &EC.replace("f83O", "f83P"),
            &EC.replace("\"y\"", "\"z\""),
            r#"{"kty":"RSA","n":"/+","e":"AQAB"}"#,
        ] {
            assert_eq!(set(&[other, EC]).unwrap().len(), 1, "{other}");
        }
    }

    #[test]
    fn what_is_not_a_key_set_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"keys\":{}}",
            "{\"keys\":[1]}",
            "{\"keys\":[{}]}",
        ] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(set(&vec![EC; MAX_KEYS]).is_ok());
        assert!(set(&vec![EC; MAX_KEYS + 1]).is_err());
    }
}
