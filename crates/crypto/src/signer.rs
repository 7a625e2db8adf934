//! Public keys as X.509 writes them, and what whoever holds the private keys has signed; and new private keys of
//! Ed25519.
//!
//! Which algorithms there are, Cloudera's control plane says: Ed25519, RSASSA-PKCS1-v1_5 with SHA-256, and ECDSA with
//! SHA-512 over a NIST curve, whose signatures are in DER.

use std::{fmt, ops::RangeInclusive};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rsa::PublicEncryptingKey,
    signature::{
        ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
        Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        VerificationAlgorithm,
    },
};

use crate::{random, secret::SecretBytes, verify::InvalidSignature};

/// The longest public key in bytes: that of RSA with 8192 bits has fewer.
pub const MAX_PUBLIC_KEY: usize = 1100;
/// The longest signature in bytes: that of RSA with 8192 bits.
pub const MAX_SIGNATURE: usize = 1024;
/// The sizes of a modulus of RSA, in bits.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// The sizes of a `SubjectPublicKeyInfo` of P-256, P-384 and P-521 whose point is not compressed.
const EC_BYTES: [usize; 3] = [91, 120, 158];
/// Bytes of a public key of Ed25519.
const POINT_BYTES: usize = 32;
/// The points of Ed25519 whose order divides 8, without the sign (RFC 7748, section 6.1, and RFC 8032, section 5.1).
const SMALL_ORDER: [[u8; POINT_BYTES]; 5] = [
    // Of order 4, 1 and 2.
    [0; POINT_BYTES],
    {
        let mut point = [0; POINT_BYTES];
        point[0] = 1;
        point
    },
    {
        let mut point = [0xff; POINT_BYTES];
        point[0] = 0xec;
        point[POINT_BYTES - 1] = 0x7f;
        point
    },
    // Of order 8.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];
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
    /// A `SubjectPublicKeyInfo` in DER with nothing behind it and no compressed point, or the 32 bytes of a key of
    /// Ed25519.
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
        let canonical = parsed.to_der()?;
        // The library looks at a modulus when it verifies, and neither at points of Ed25519 nor at what follows a key.
        let is_sound = match parsed.kind {
            KeyKind::Ed25519 => is_sound_point(&canonical),
            KeyKind::Rsa => PublicEncryptingKey::from_der(&canonical)
                .is_ok_and(|key| RSA_BITS.contains(&key.key_size_bits())),
            KeyKind::Ecdsa => EC_BYTES.contains(&canonical.len()),
        };
        let is_raw = parsed.kind == KeyKind::Ed25519 && der.len() == POINT_BYTES;
        if is_sound && (is_raw || der == canonical) {
            Ok(parsed)
        } else {
            Err(NotPublicKey)
        }
    }

    /// The `SubjectPublicKeyInfo` in DER, in which a public key is written in one way only.
    ///
    /// # Errors
    /// Never with the library that is linked; it may refuse to write a key.
    pub fn to_der(&self) -> Result<Vec<u8>, NotPublicKey> {
        let der: PublicKeyX509Der<'_> = self.key.as_der().map_err(|_| NotPublicKey)?;
        Ok(der.as_ref().to_vec())
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

/// Whether the point in a `SubjectPublicKeyInfo` of Ed25519 is written in the one way, and has no small order: with those,
/// signatures hold that nobody with a private key has made.
fn is_sound_point(der: &[u8]) -> bool {
    let Some(point) = der.last_chunk::<POINT_BYTES>() else {
        return false;
    };
    // The sign of the other coordinate does not matter.
    let mut point = *point;
    let [first, middle @ .., last] = &mut point;
    *last &= 0x7f;
    let is_beyond = *first >= 0xed && *last == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    !is_beyond && !SMALL_ORDER.contains(&point)
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

    /// The `SubjectPublicKeyInfo` of a key of RSA with a modulus of that many bits, all of which are set.
    fn rsa_of(bits: usize) -> Vec<u8> {
        let tagged = |tag: u8, content: &[u8]| {
            let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
            let length = match (high, low) {
                (0, 0..0x80) => vec![low],
                (0, _) => vec![0x81, low],
                _ => vec![0x82, high, low],
            };
            [&[tag], &*length, content].concat()
        };
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        *modulus.first_mut().unwrap() >>= modulus.len() * 8 - bits;
        if bits.is_multiple_of(8) {
            modulus.insert(0, 0);
        }
        let key = [tagged(2, &modulus), tagged(2, &[1, 0, 1])].concat();
        let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
        let algorithm = [tagged(6, &oid), tagged(5, &[])].concat();
        let bits = [&[0], &*tagged(0x30, &key)].concat();
        tagged(0x30, &[tagged(0x30, &algorithm), tagged(3, &bits)].concat())
    }

    #[test]
    fn a_modulus_of_rsa_has_2048_bits_at_least() {
        for (bits, is_good) in [(1792, false), (2040, false), (2047, false), (2048, true)] {
            assert_eq!(SignerKey::parse(&rsa_of(bits)).is_ok(), is_good, "{bits}");
        }
    }

    #[test]
    fn a_point_of_ed25519_has_no_small_order_and_is_written_in_one_way() {
        let mut beyond = [0xff; 32];
        beyond[31] = 0x7f;
        let beyond = [0xed, 0xee, 0xff].map(|first| {
            let mut point = beyond;
            point[0] = first;
            point
        });
        for point in SMALL_ORDER.into_iter().chain(beyond) {
            for sign in [0, 0x80] {
                let mut point = point;
                point[31] |= sign;
                assert!(SignerKey::parse(&point).is_err(), "{point:?}");
            }
        }
    }

    #[test]
    fn a_public_key_has_one_form_with_nothing_behind_it() {
        let (_, raw) = new_ed25519().unwrap();
        let der = SignerKey::parse(&raw).unwrap().to_der().unwrap();
        assert_eq!(der.len(), 44);
        assert_eq!(SignerKey::parse(&der).unwrap().to_der().unwrap(), der);
        let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).unwrap();
        let curve: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        for der in [der, rsa_of(2048), curve.as_ref().to_vec()] {
            assert!(SignerKey::parse(&der).is_ok());
            assert!(SignerKey::parse(&[&*der, b"x"].concat()).is_err());
        }
        // A point of a curve alone, which the library reads too.
        assert!(SignerKey::parse(pair.public_key().as_ref()).is_err());
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
