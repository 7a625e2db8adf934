//! A key under a key: AES-256-GCM, naming the wrapping key's id and version, so that wrapping keys
//! can be rotated and each wrapped key still says what opens it.

use std::fmt;

use crate::{
    aead::{self, Aad, NONCE_BYTES, OpenError, Purpose, TAG_BYTES},
    random,
    secret::SecretBytes,
};

/// The version of the layout.
const VERSION: u8 = 1;
/// Bytes before the ciphertext: version, wrapping key's id and version, nonce.
const HEADER: usize = 1 + 16 + 4 + NONCE_BYTES;
/// The longest wrapped key in bytes.
const MAX_BYTES: usize = 8192;

/// Which key wraps: its id and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappingKeyName {
    /// The id, 16 random bytes.
    pub id: [u8; 16],
    /// The version, from 1.
    pub version: u32,
}

/// A wrapped key. It is not a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    name: WrappingKeyName,
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
}

/// The bytes are not a wrapped key of a version that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a wrapped key of a known version")]
pub struct WrappedError;

impl Wrapped {
    /// Wraps a key. `subject` says what it is and to whom it belongs; the same subject is needed to
    /// unwrap it.
    pub fn wrap(wrapping: &[u8; 32], name: WrappingKeyName, subject: &[u8], key: &[u8]) -> Self {
        let nonce = random::array();
        let sealed = aead::seal(wrapping, nonce, &aad(name, subject), key);
        Self {
            name,
            nonce,
            sealed,
        }
    }

    /// Unwraps the key.
    ///
    /// # Errors
    /// One error for every cause.
    pub fn unwrap_key(
        &self,
        wrapping: &[u8; 32],
        subject: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        aead::open(wrapping, self.nonce, &aad(self.name, subject), &self.sealed)
    }

    /// Which key wraps it.
    pub fn wrapping_key(&self) -> WrappingKeyName {
        self.name
    }

    /// The layout's bytes: version, wrapping key's id, its version (big-endian), nonce,
    /// ciphertext and tag.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&self.name.id);
        out.extend_from_slice(&self.name.version.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.sealed);
        out
    }

    /// Reads the layout.
    ///
    /// # Errors
    /// For another version or impossible lengths; whether it unwraps is another question.
    pub fn parse(bytes: &[u8]) -> Result<Self, WrappedError> {
        let (version, rest) = bytes.split_first().ok_or(WrappedError)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(WrappedError)?;
        let (key_version, rest) = rest.split_first_chunk::<4>().ok_or(WrappedError)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(WrappedError)?;
        if *version != VERSION || sealed.len() <= TAG_BYTES || bytes.len() > MAX_BYTES {
            return Err(WrappedError);
        }
        let name = WrappingKeyName {
            id: *id,
            version: u32::from_be_bytes(*key_version),
        };
        Ok(Self {
            name,
            nonce: *nonce,
            sealed: sealed.to_vec(),
        })
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Wrapped({} bytes, version {})",
            self.sealed.len(),
            self.name.version
        )
    }
}

fn aad(name: WrappingKeyName, subject: &[u8]) -> Aad {
    Aad::new(Purpose::KeyWrap, VERSION)
        .part(&name.id)
        .part(&name.version.to_be_bytes())
        .part(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_under_its_wrapping_key_and_subject_only() {
        let name = WrappingKeyName {
            id: [1; 16],
            version: 3,
        };
        let wrapped = Wrapped::wrap(&[7; 32], name, b"material a", &[5; 32]);
        let read = Wrapped::parse(&wrapped.to_bytes()).unwrap();
        assert_eq!(read.wrapping_key(), name);
        assert_eq!(
            read.unwrap_key(&[7; 32], b"material a").unwrap().expose(),
            [5; 32]
        );
        assert_eq!(
            read.unwrap_key(&[7; 32], b"material b").unwrap_err(),
            OpenError
        );
        assert_eq!(
            read.unwrap_key(&[8; 32], b"material a").unwrap_err(),
            OpenError
        );
    }

    #[test]
    fn any_flipped_bit_of_a_wrapped_key_is_found() {
        let name = WrappingKeyName {
            id: [1; 16],
            version: 3,
        };
        let bytes = Wrapped::wrap(&[7; 32], name, b"s", &[5; 32]).to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opens = Wrapped::parse(&flipped)
                .is_ok_and(|wrapped| wrapped.unwrap_key(&[7; 32], b"s").is_ok());
            assert!(!opens, "bit {bit}");
        }
    }
}
