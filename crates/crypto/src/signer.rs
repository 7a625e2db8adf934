//! Public keys as X.509 writes them, and what whoever holds the private keys has signed; and new private keys of
//! Ed25519.
//!
//! Which algorithms there are, Cloudera's control plane says: Ed25519, RSASSA-PKCS1-v1_5 with SHA-256, and ECDSA with
//! SHA-512 over a NIST curve, whose signatures are in DER.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};

use crate::{random, secret::SecretBytes, verify::InvalidSignature};

/// The longest public key in bytes: that of RSA with 8192 bits has fewer.
pub const MAX_PUBLIC_KEY: usize = 1100;
/// The longest signature in bytes: that of RSA with 8192 bits.
pub const MAX_SIGNATURE: usize = 1024;
/// Bytes of a private key of Ed25519.
const SEED_BYTES: usize = 32;

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 8192 bits.
    Rsa,
    /// ECDSA with SHA-512 on P-256, P-384 or P-521.
    Ecdsa,
}

/// A public key.
#[derive(Clone)]
pub struct SignerKey {
    kind: KeyKind,
    key: ParsedPublicKey,
}

/// The bytes are no public key that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a public key is a SubjectPublicKeyInfo of Ed25519, of RSA with 2048 to 8192 bits, or of P-256, P-384 or P-521"
)]
pub struct NotPublicKey;

impl SignerKey {
    /// A `SubjectPublicKeyInfo` in DER, or the 32 bytes of a key of Ed25519.
    ///
    /// # Errors
    /// When it is none of an algorithm that is known here.
    pub fn parse(der: &[u8]) -> Result<Self, NotPublicKey> {
        if der.len() > MAX_PUBLIC_KEY {
            return Err(NotPublicKey);
        }
        let known: [(KeyKind, &'static dyn VerificationAlgorithm); 5] = [
            (KeyKind::Ed25519, &ED25519),
            (KeyKind::Rsa, &RSA_PKCS1_2048_8192_SHA256),
            (KeyKind::Ecdsa, &ECDSA_P256_SHA512_ASN1),
            (KeyKind::Ecdsa, &ECDSA_P384_SHA512_ASN1),
            (KeyKind::Ecdsa, &ECDSA_P521_SHA512_ASN1),
        ];
        let parsed = known.into_iter().find_map(|(kind, algorithm)| {
            let key = ParsedPublicKey::new(algorithm, der).ok()?;
            Some(Self { kind, key })
        });
        let parsed = parsed.ok_or(NotPublicKey)?;
        // 256 bytes of a modulus and what stands around them. The library looks at the size when it verifies.
        let is_short = parsed.kind == KeyKind::Rsa && der.len() < 256;
        if is_short {
            Err(NotPublicKey)
        } else {
            Ok(parsed)
        }
    }

    /// What it signs with.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if signature.len() > MAX_SIGNATURE {
            return Err(InvalidSignature);
        }
        let verified = self.key.verify_sig(message, signature);
        verified.map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({:?})", self.kind)
    }
}

/// A new private key of Ed25519, and its public key.
///
/// # Errors
/// Never with the library that is linked; it may refuse a seed.
pub fn new_ed25519() -> Result<(SecretBytes, Vec<u8>), NotPublicKey> {
    let seed = random::secret(SEED_BYTES);
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| NotPublicKey)?;
    let public = pair.public_key().as_ref().to_vec();
    Ok((seed, public))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer as _, PublicKeyX509Der},
        rand::SystemRandom,
        rsa::{KeyPair as RsaKeyPair, KeySize},
        signature::{ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256},
    };

    use super::*;

    #[test]
    fn a_new_key_signs_what_its_public_key_verifies() {
        let (seed, public) = new_ed25519().unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).unwrap();
        let key = SignerKey::parse(&public).unwrap();
        assert_eq!(key.kind(), KeyKind::Ed25519);
        let signature = pair.sign(b"message");
        assert_eq!(key.verify(b"message", signature.as_ref()), Ok(()));
        assert_eq!(
            key.verify(b"massage", signature.as_ref()),
            Err(InvalidSignature)
        );
        assert_eq!(key.verify(b"message", b""), Err(InvalidSignature));
        let (_, other) = new_ed25519().unwrap();
        let other = SignerKey::parse(&other).unwrap();
        assert!(other.verify(b"message", signature.as_ref()).is_err());
    }

    #[test]
    fn rsa_and_ecdsa_verify_what_they_signed() {
        let random = SystemRandom::new();
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = SignerKey::parse(public.as_ref()).unwrap();
        assert_eq!(key.kind(), KeyKind::Rsa);
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &random, b"message", &mut signature)
            .unwrap();
        assert_eq!(key.verify(b"message", &signature), Ok(()));
        signature[7] ^= 1;
        assert!(key.verify(b"message", &signature).is_err());
        let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = SignerKey::parse(public.as_ref()).unwrap();
        assert_eq!(key.kind(), KeyKind::Ecdsa);
        let signature = pair.sign(&random, b"message").unwrap();
        assert_eq!(key.verify(b"message", signature.as_ref()), Ok(()));
        assert!(key.verify(b"massage", signature.as_ref()).is_err());
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        for wrong in [
            &b""[..],
            b"-----BEGIN PUBLIC KEY-----",
            &[0; 31],
            &[0; 5000],
        ] {
            assert!(SignerKey::parse(wrong).is_err());
        }
    }
}
