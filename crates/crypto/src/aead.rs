//! AES-256-GCM (SP 800-38D) with additional data that always names a purpose.

use std::fmt;

use aws_lc_rs::aead;

use crate::secret::SecretBytes;

/// The length of a key, in bytes.
pub const KEY_LEN: usize = 32;
/// The length of a nonce, in bytes.
pub const NONCE_LEN: usize = 12;
/// The length of the tag that a ciphertext ends with, in bytes.
pub const TAG_LEN: usize = 16;

/// What a ciphertext is for. The number stands in the additional data (and, in some layouts, in
/// the bytes), so a ciphertext made for one purpose opens for no other. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// A domain key under the root key.
    DomainKeyWrap = 1,
    /// The store's seal key under the root key.
    StoreKeyWrap = 2,
    /// Material of a KMS key under a domain key.
    MaterialWrap = 3,
    /// The output of `Encrypt` and `GenerateDataKey`.
    CiphertextBlob = 4,
    /// A value at rest in the store.
    StoreValue = 5,
    /// A page marker.
    PageMarker = 6,
    /// A secret access key at rest.
    AccessKeySecret = 7,
    /// A session token.
    SessionToken = 8,
    /// The key of an account's material ids, under the root key.
    MaterialIdKeyWrap = 9,
    /// The root key's proof that it is the one a store was made with.
    RootKeyCheck = 10,
    /// The chain of the audit trail.
    AuditChain = 11,
}

impl Purpose {
    /// The purpose's number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Additional data: purpose, format version, then each part with its length (32 bits, big-endian)
/// before it. Two lists of parts never give the same bytes, and no list gives none.
#[derive(Clone, PartialEq, Eq)]
pub struct Aad(Vec<u8>);

impl Aad {
    /// Additional data of these parts.
    pub fn new(purpose: Purpose, version: u8, parts: &[&[u8]]) -> Self {
        let len = parts.iter().map(|part| 4 + part.len()).sum();
        let mut aad = Self::with_capacity(purpose, version, len);
        for part in parts {
            aad.push(part);
        }
        aad
    }

    /// Additional data without parts yet, and room for `bytes` bytes of them.
    pub fn with_capacity(purpose: Purpose, version: u8, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(2 + bytes);
        out.extend_from_slice(&[purpose.number(), version]);
        Self(out)
    }

    /// Adds a part.
    pub fn push(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&length(part.len()));
        self.0.extend_from_slice(part);
    }

    /// Adds a part that `write` appends, so that it need not be built elsewhere first.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        let start = self.0.len();
        write(&mut self.0);
        let written = length(self.0.len().saturating_sub(start));
        if let Some(prefix) = self.0.get_mut(at..start) {
            prefix.copy_from_slice(&written);
        }
    }

    /// The bytes that are authenticated.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Aad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aad")
    }
}

/// A ciphertext did not open: damaged, or made with another key, nonce or additional data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext does not authenticate")]
pub struct OpenError;

/// Encrypts `in_out` where it stands and appends the tag. Reserve [`TAG_LEN`] bytes of capacity
/// if the plaintext is secret: growing the vector would leave a copy behind.
pub fn seal(key: &[u8; KEY_LEN], nonce: [u8; NONCE_LEN], aad: &Aad, in_out: &mut Vec<u8>) {
    let tag = seal_detached(key, nonce, aad, in_out);
    in_out.extend_from_slice(&tag);
}

/// Encrypts `in_out` where it stands; answers the tag.
pub fn seal_detached(
    key: &[u8; KEY_LEN],
    nonce: [u8; NONCE_LEN],
    aad: &Aad,
    in_out: &mut [u8],
) -> [u8; TAG_LEN] {
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    // INVARIANT: AES-GCM refuses only plaintexts of 64 GiB and more, which no caller can hold.
    let tag = schedule(key)
        .seal_in_place_separate_tag(nonce, aead::Aad::from(aad.as_bytes()), in_out)
        .expect("plaintexts are shorter than 64 GiB");
    let mut out = [0; TAG_LEN];
    out.copy_from_slice(tag.as_ref());
    out
}

/// Decrypts a ciphertext that ends with its tag. The plaintext exists only in the answer.
///
/// # Errors
/// [`OpenError`] for every way in which it can fail.
pub fn open(
    key: &[u8; KEY_LEN],
    nonce: [u8; NONCE_LEN],
    aad: &Aad,
    ciphertext: &[u8],
) -> Result<SecretBytes, OpenError> {
    let len = ciphertext.len().checked_sub(TAG_LEN).ok_or(OpenError)?;
    let (body, tag) = ciphertext.split_at_checked(len).ok_or(OpenError)?;
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let aad = aead::Aad::from(aad.as_bytes());
    SecretBytes::try_init(len, |plaintext| {
        schedule(key)
            .open_separate_gather(nonce, aad, body, tag, plaintext)
            .map_err(|_| OpenError)
    })
}

/// The key's schedule, for one call: the library wipes it on drop.
fn schedule(key: &[u8; KEY_LEN]) -> aead::LessSafeKey {
    // INVARIANT: AES-256-GCM takes every key of 32 bytes.
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("the key has 32 bytes");
    aead::LessSafeKey::new(key)
}

fn length(n: usize) -> [u8; 4] {
    // INVARIANT: parts are bounded far below 4 GiB by the parsers of what they hold.
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; KEY_LEN] = [3; KEY_LEN];
    const NONCE: [u8; NONCE_LEN] = [5; NONCE_LEN];

    fn aad(parts: &[&[u8]]) -> Aad {
        Aad::new(Purpose::StoreValue, 1, parts)
    }

    #[test]
    fn opens_only_with_the_same_key_nonce_and_additional_data() {
        let mut sealed = b"plaintext".to_vec();
        seal(&KEY, NONCE, &aad(&[b"a"]), &mut sealed);
        assert_eq!(sealed.len(), 9 + TAG_LEN);
        let opened = open(&KEY, NONCE, &aad(&[b"a"]), &sealed).unwrap();
        assert_eq!(opened.expose(), b"plaintext");

        let fails = |key, nonce, aad: &Aad| open(key, nonce, aad, &sealed).unwrap_err();
        assert_eq!(fails(&[4; KEY_LEN], NONCE, &aad(&[b"a"])), OpenError);
        assert_eq!(fails(&KEY, [6; NONCE_LEN], &aad(&[b"a"])), OpenError);
        assert_eq!(fails(&KEY, NONCE, &aad(&[b"b"])), OpenError);
        assert_eq!(fails(&KEY, NONCE, &aad(&[b"a", b""])), OpenError);
        let other_purpose = Aad::new(Purpose::PageMarker, 1, &[b"a"]);
        assert_eq!(fails(&KEY, NONCE, &other_purpose), OpenError);
        let other_version = Aad::new(Purpose::StoreValue, 2, &[b"a"]);
        assert_eq!(fails(&KEY, NONCE, &other_version), OpenError);
    }

    #[test]
    fn what_is_shorter_than_a_tag_does_not_open() {
        for len in 0..TAG_LEN {
            let short = vec![0; len];
            assert_eq!(open(&KEY, NONCE, &aad(&[]), &short).unwrap_err(), OpenError);
        }
    }

    #[test]
    fn additional_data_has_fixed_bytes() {
        let bytes = aad(&[b"ab", b""]);
        assert_eq!(bytes.as_bytes(), b"\x05\x01\0\0\0\x02ab\0\0\0\0");
        let mut written = Aad::with_capacity(Purpose::StoreValue, 1, 0);
        written.push_with(|out| out.extend_from_slice(b"ab"));
        written.push(b"");
        assert_eq!(written, bytes);
        assert_eq!(format!("{written:?}"), "Aad");
    }

    proptest! {
        #[test]
        fn different_parts_never_give_the_same_bytes(
            a in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..5),
            b in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..5),
        ) {
            let bytes = |parts: &[Vec<u8>]| {
                aad(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
        }

        #[test]
        fn any_flipped_bit_is_found(
            mut sealed in proptest::collection::vec(any::<u8>(), 0..80),
            bit in any::<prop::sample::Index>(),
        ) {
            seal(&KEY, NONCE, &aad(&[]), &mut sealed);
            let bit = bit.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(open(&KEY, NONCE, &aad(&[]), &sealed).unwrap_err(), OpenError);
        }
    }
}
