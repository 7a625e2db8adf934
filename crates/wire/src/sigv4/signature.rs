//! Signing keys, and the comparison that turns a claim into a proof.

use std::fmt;

use keyward_crypto::{digest, mac, secret::SecretBytes};
use keyward_types::time::Timestamp;

use super::{
    ALGORITHM, Claim, TERMINATOR, canonical, credential_scope::Credential, error::AuthError,
};

/// The usual length of a canonical request, in bytes; with a session token it is longer.
const CANONICAL: usize = 768;

/// The key of one access key, day, Region and service.
pub struct SigningKey(SecretBytes);

impl SigningKey {
    /// Derives it from the secret access key: an HMAC chain over date, Region, service and
    /// `aws4_request`.
    pub fn derive(secret: &[u8], date: &str, region: &str, service: &str) -> Self {
        let mut seed = Vec::with_capacity(4 + secret.len());
        seed.extend_from_slice(b"AWS4");
        seed.extend_from_slice(secret);
        let mut key = SecretBytes::from_vec(seed);
        for element in [date, region, service, TERMINATOR] {
            let next = mac::hmac_sha256(key.expose(), &[element.as_bytes()]);
            key = SecretBytes::from_vec(next.to_vec());
        }
        Self(key)
    }

    /// The key, to verify with.
    pub fn borrow(&self) -> SigningKeyRef<'_> {
        // INVARIANT: 32 bytes, the length of the MAC it came from.
        SigningKeyRef(self.0.expose().first_chunk().unwrap_or(&[0; 32]))
    }

    /// The 32 bytes, to be stored where secrets are stored.
    pub fn into_secret(self) -> SecretBytes {
        self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A signing key kept elsewhere.
#[derive(Clone, Copy)]
pub struct SigningKeyRef<'k>(&'k [u8; 32]);

impl<'k> SigningKeyRef<'k> {
    /// The key whose bytes [`SigningKey::into_secret`] gave.
    pub fn from_bytes(bytes: &'k [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SigningKeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeyRef")
    }
}

/// Proof that whoever sent the request holds the key that signed it. Made by
/// [`Claim::verify`] alone.
#[derive(Debug)]
pub struct Verified<'c> {
    claim: &'c Claim<'c>,
}

impl<'c> Verified<'c> {
    /// The access key's id.
    pub fn access_key_id(&self) -> &'c str {
        self.claim.access_key_id()
    }

    /// The access key id and its scope.
    pub fn credential(&self) -> &'c Credential<'c> {
        self.claim.credential()
    }

    /// When it was signed.
    pub fn time(&self) -> Timestamp {
        self.claim.time()
    }

    /// Whether the proof was a presigned query.
    pub fn is_presigned(&self) -> bool {
        self.claim.is_presigned()
    }
}

impl<'r> Claim<'r> {
    /// Computes the signature with the key of the claimed credential and scope, and compares it in
    /// constant time. If the request has a hash of the body, it must be correct.
    ///
    /// # Errors
    /// [`AuthError::SignatureMismatch`], whatever the reason.
    pub fn verify<'c>(&'c self, key: SigningKeyRef<'_>) -> Result<Verified<'c>, AuthError> {
        let body_hash = hexadecimal(&digest::sha256(self.request.body));
        let claimed_hash = self.request.value("x-amz-content-sha256");
        let hash_is_right = claimed_hash.is_none_or(|claimed| claimed == body_hash);

        // Hashed in one piece: each update of the hash would have its own overhead.
        let mut canonical = Vec::with_capacity(CANONICAL);
        canonical::write(self, &body_hash, &mut canonical);
        let request_hash = hexadecimal(&digest::sha256(&canonical));
        let time = self.time.basic();
        let expected = mac::hmac_sha256(
            key.0,
            &[
                ALGORITHM.as_bytes(),
                b"\n",
                time.as_bytes(),
                b"\n",
                self.credential.scope().as_bytes(),
                b"\n",
                &request_hash,
            ],
        );
        let is_equal = self
            .signature
            .is_some_and(|signature| mac::equal(&expected, &signature));
        if is_equal && hash_is_right {
            Ok(Verified { claim: self })
        } else {
            Err(AuthError::SignatureMismatch)
        }
    }
}

/// Reads 64 lower-case hexadecimal digits.
pub(super) fn parse(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn hexadecimal(hash: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    // The lengths fit, so this cannot fail; and zeros would not be the hash of anything.
    let _ = hex::encode_to_slice(hash, &mut text);
    text
}
