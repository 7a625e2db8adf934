//! Verification of signatures by public keys: RSA (PKCS #1 v1.5) and ECDSA over the NIST curves,
//! as JSON Web Signatures use them.
//!
//! <https://www.rfc-editor.org/rfc/rfc7518#section-3>

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents,
};

/// The fewest and the most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest RSA exponent, in bytes: longer ones only cost time.
const RSA_EXPONENT_BYTES: usize = 4;

/// The algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
    /// ECDSA on P-521 with SHA-512.
    EcdsaP521Sha512,
}

/// A curve of FIPS 186.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
}

impl Curve {
    /// Bytes of a coordinate.
    pub fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// A public key that signatures are verified with.
#[derive(Clone)]
pub struct PublicKey(Kind);

#[derive(Clone)]
enum Kind {
    Rsa {
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
    },
    Ec(Curve, ParsedPublicKey),
}

/// The numbers are not a public key that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// An RSA modulus has too few or too many bits.
    #[error("an RSA modulus has 2048 to 8192 bits")]
    RsaSize,
    /// An RSA exponent is even, one, or too long.
    #[error("an RSA exponent is odd, greater than one and at most four bytes long")]
    RsaExponent,
    /// The point is not on its curve.
    #[error("the point is not on the curve")]
    Point,
}

/// The signature is not the key's over the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct InvalidSignature;

impl PublicKey {
    /// An RSA key from its modulus and exponent, big-endian.
    ///
    /// # Errors
    /// When the numbers are out of bounds.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, PublicKeyError> {
        let (modulus, exponent) = (unpadded(modulus), unpadded(exponent));
        let [first, .., last] = modulus else {
            return Err(PublicKeyError::RsaSize);
        };
        let zeros = usize::try_from(first.leading_zeros()).unwrap_or(0);
        if !RSA_BITS.contains(&(modulus.len() * 8 - zeros)) || last % 2 == 0 {
            return Err(PublicKeyError::RsaSize);
        }
        let odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !odd || exponent == [1] || exponent.len() > RSA_EXPONENT_BYTES {
            return Err(PublicKeyError::RsaExponent);
        }
        Ok(Self(Kind::Rsa {
            modulus: modulus.into(),
            exponent: exponent.into(),
        }))
    }

    /// A point on a curve from its coordinates, big-endian, each as long as the curve's.
    ///
    /// # Errors
    /// When it is not on the curve.
    pub fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, PublicKeyError> {
        let length = curve.coordinate_bytes();
        if x.len() != length || y.len() != length {
            return Err(PublicKeyError::Point);
        }
        let point = [&[4], x, y].concat();
        let parsed = match curve {
            Curve::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point),
            Curve::P384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &point),
            Curve::P521 => ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, &point),
        };
        let parsed = parsed.map_err(|_| PublicKeyError::Point)?;
        Ok(Self(Kind::Ec(curve, parsed)))
    }

    /// Whether keys of this type make signatures with this algorithm.
    pub fn suits(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm as A;
        match (&self.0, algorithm) {
            (Kind::Rsa { .. }, A::RsaPkcs1Sha256 | A::RsaPkcs1Sha384 | A::RsaPkcs1Sha512)
            | (Kind::Ec(Curve::P256, _), A::EcdsaP256Sha256)
            | (Kind::Ec(Curve::P384, _), A::EcdsaP384Sha384)
            | (Kind::Ec(Curve::P521, _), A::EcdsaP521Sha512) => true,
            (Kind::Rsa { .. } | Kind::Ec(..), _) => false,
        }
    }

    /// Verifies a signature: for RSA as long as the modulus, for ECDSA both numbers one after
    /// the other (RFC 7518, section 3.4).
    ///
    /// # Errors
    /// When it is not valid, or the algorithm does not match the key.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !self.suits(algorithm) {
            return Err(InvalidSignature);
        }
        let verified = match &self.0 {
            Kind::Rsa { modulus, exponent } => {
                use SignatureAlgorithm as A;
                let parameters = match algorithm {
                    A::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    A::RsaPkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                    A::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                    A::EcdsaP256Sha256 | A::EcdsaP384Sha384 | A::EcdsaP521Sha512 => {
                        return Err(InvalidSignature);
                    }
                };
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(parameters, message, signature)
            }
            Kind::Ec(_, key) => key.verify_sig(message, signature),
        };
        verified.map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Rsa { modulus, .. } => write!(f, "PublicKey(RSA, {} bytes)", modulus.len()),
            Kind::Ec(curve, _) => write!(f, "PublicKey({curve:?})"),
        }
    }
}

/// A number without leading zero bytes.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
