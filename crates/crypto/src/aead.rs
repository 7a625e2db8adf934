//! Authenticated encryption: AES-256-GCM with additional data that names a purpose.

use std::fmt;

use aws_lc_rs::aead::{self, AES_256_GCM, LessSafeKey, Nonce, UnboundKey};

use crate::secret::SecretBytes;

/// Bytes that sealing adds behind the ciphertext: the tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

/// What a sealed value is for; bound into every seal, so that no value opens as another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// A key under a key.
    KeyWrap = 1,
    /// A value of the store.
    StoreValue = 2,
    /// What users encrypt under a KMS key.
    UserData = 3,
    /// A page marker.
    PageMarker = 4,
    /// A session token.
    SessionToken = 5,
    /// The root key's own check value.
    RootCheck = 6,
    /// A data file that a client encrypts locally under a data key.
    ClientData = 7,
    /// A grant token.
    GrantToken = 8,
    /// A block of an encrypted volume.
    VolumeBlock = 9,
}

/// Additional data: purpose, format version, and parts with their lengths. It is injective and
/// never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Aad(Vec<u8>);

impl Aad {
    /// Additional data of a purpose and format version, with no parts yet.
    pub fn new(purpose: Purpose, version: u8) -> Self {
        Self::with_capacity(purpose, version, 128)
    }

    /// As [`new`](Self::new), with room for so many bytes.
    pub fn with_capacity(purpose: Purpose, version: u8, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(2 + bytes);
        out.extend_from_slice(&[purpose as u8, version]);
        Self(out)
    }

    /// Adds a part: its length in 32 bits, big-endian, then its bytes.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0
            .extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a part that `write` appends, which it must do without touching what is there.
    #[must_use]
    pub fn part_with(mut self, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        write(&mut self.0);
        let length = self.0.len().saturating_sub(at + 4);
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = self.0.get_mut(at..at + 4) {
            place.copy_from_slice(&length);
        }
        self
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Aad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aad")
    }
}

/// A sealed value does not open: wrong key, wrong additional data, or altered bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value does not open under this key and additional data")]
pub struct OpenError;

/// Replaces the plaintext in `in_out` from `start` on with ciphertext and tag.
pub fn seal_in_place(
    key: &[u8; 32],
    nonce: [u8; NONCE_BYTES],
    aad: &Aad,
    in_out: &mut Vec<u8>,
    start: usize,
) {
    let schedule = schedule(key);
    in_out.reserve(TAG_BYTES);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plaintext = in_out.get_mut(start..).unwrap_or_default();
    let tag = schedule
        .seal_in_place_separate_tag(nonce, aead::Aad::from(aad.as_bytes()), plaintext)
        .expect("values are far below the cipher's limit");
    in_out.extend_from_slice(tag.as_ref());
}

/// The ciphertext and tag of a plaintext.
pub fn seal(key: &[u8; 32], nonce: [u8; NONCE_BYTES], aad: &Aad, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plaintext.len() + TAG_BYTES);
    out.extend_from_slice(plaintext);
    seal_in_place(key, nonce, aad, &mut out, 0);
    out
}

/// The plaintext of a ciphertext and tag.
///
/// # Errors
/// One error for every cause.
pub fn open(
    key: &[u8; 32],
    nonce: [u8; NONCE_BYTES],
    aad: &Aad,
    sealed: &[u8],
) -> Result<SecretBytes, OpenError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = sealed.len().checked_sub(TAG_BYTES).ok_or(OpenError)?;
    let (ciphertext, tag) = sealed.split_at(length);
    let mut plaintext = vec![0; length];
    schedule(key)
        .open_separate_gather(
            nonce,
            aead::Aad::from(aad.as_bytes()),
            ciphertext,
            tag,
            &mut plaintext,
        )
        .map_err(|_| OpenError)?;
    Ok(SecretBytes::from_vec(plaintext))
}

/// Key schedules are built per call: none outlives it outside the arena.
fn schedule(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes fit AES-256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_under_the_same_words() {
        let (key, nonce) = ([7; 32], [9; 12]);
        let aad = Aad::new(Purpose::StoreValue, 1).part(b"a").part(b"b");
        let sealed = seal(&key, nonce, &aad, b"plaintext");
        assert_eq!(sealed.len(), 9 + TAG_BYTES);
        assert_eq!(
            open(&key, nonce, &aad, &sealed).unwrap().expose(),
            b"plaintext"
        );
        for other in [
            Aad::new(Purpose::KeyWrap, 1).part(b"a").part(b"b"),
            Aad::new(Purpose::StoreValue, 2).part(b"a").part(b"b"),
            Aad::new(Purpose::StoreValue, 1).part(b"ab").part(b""),
            Aad::new(Purpose::StoreValue, 1).part(b"a"),
        ] {
            assert_eq!(open(&key, nonce, &other, &sealed).unwrap_err(), OpenError);
        }
        assert_eq!(
            open(&key, nonce, &aad, &sealed[..8]).unwrap_err(),
            OpenError
        );
    }

    #[test]
    fn a_written_part_is_the_same_as_a_given_part() {
        let given = Aad::new(Purpose::UserData, 1).part(b"xyz");
        let written = Aad::new(Purpose::UserData, 1).part_with(|out| out.extend_from_slice(b"xyz"));
        assert!(given == written);
    }
}
