//! Keys under keys: a wrapped key names the key that wraps it, by id and version, so that root and
//! domain keys can be rotated later.
//!
//! Each wrapping has a key of its own, derived (SP 800-108) from the wrapping key and 128 random
//! bits, so that no number of wrappings wears a wrapping key out.

use crate::aead::{self, Aad, KEY_LEN, NONCE_LEN, Purpose, TAG_LEN};
use crate::derive::kbkdf;
use crate::random;
use crate::secret::SecretBytes;

/// The format version of the bytes.
pub const VERSION: u8 = 1;
/// The bytes before the ciphertext: version, purpose, key id, key version, nonce.
const HEADER_LEN: usize = 2 + 16 + 4 + WRAP_NONCE_LEN;
const WRAP_NONCE_LEN: usize = SALT_LEN + NONCE_LEN;
const SALT_LEN: usize = 16;
const LABEL: &[u8] = b"keyward key wrap v1";
/// The longest key that can be wrapped, in bytes.
pub const MAX_WRAPPED_LEN: usize = 8192;

/// The name of a wrapping key: 16 random bytes for the key, and a version that grows with each
/// rotation of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyName {
    /// The key's id.
    pub id: [u8; 16],
    /// Its version, counted from 1.
    pub version: u32,
}

/// A key under another key: safe to store, worthless without that other key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    purpose: Purpose,
    by: KeyName,
    nonce: [u8; WRAP_NONCE_LEN],
    ciphertext: Box<[u8]>,
}

/// Why a wrapped key did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// It names another wrapping key than the one given.
    #[error("the key is wrapped by another key")]
    OtherKey(KeyName),
    /// It is damaged, of another purpose, or not this subject's.
    #[error("the wrapped key does not authenticate")]
    Damaged,
}

/// Bytes that are no wrapped key of a version and purpose known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a wrapped key")]
pub struct WrappedParseError;

impl Wrapped {
    /// Wraps `secret` under the key `by` with bytes `kek`, for a purpose and a subject: what the
    /// secret is the key of. Only the same purpose and subject open it.
    pub fn wrap(
        kek: &[u8; KEY_LEN],
        by: KeyName,
        purpose: Purpose,
        subject: &[&[u8]],
        secret: &[u8],
    ) -> Self {
        Self::wrap_with_nonce(kek, by, purpose, subject, secret, random::array())
    }

    fn wrap_with_nonce(
        kek: &[u8; KEY_LEN],
        by: KeyName,
        purpose: Purpose,
        subject: &[&[u8]],
        secret: &[u8],
        nonce: [u8; WRAP_NONCE_LEN],
    ) -> Self {
        // Room for the tag from the start: growing would leave a copy of the secret behind.
        let mut ciphertext = Vec::with_capacity(secret.len() + TAG_LEN);
        ciphertext.extend_from_slice(secret);
        let (salt, iv) = split(&nonce);
        let aad = aad(purpose, by, &nonce, subject);
        with_derived(kek, salt, |key| aead::seal(key, iv, &aad, &mut ciphertext));
        Self {
            purpose,
            by,
            nonce,
            ciphertext: ciphertext.into_boxed_slice(),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`UnwrapError::OtherKey`] if it names another wrapping key, else [`UnwrapError::Damaged`].
    pub fn unwrap(
        &self,
        kek: &[u8; KEY_LEN],
        by: KeyName,
        purpose: Purpose,
        subject: &[&[u8]],
    ) -> Result<SecretBytes, UnwrapError> {
        if self.by != by {
            return Err(UnwrapError::OtherKey(self.by));
        }
        let (salt, iv) = split(&self.nonce);
        let aad = aad(purpose, by, &self.nonce, subject);
        with_derived(kek, salt, |key| aead::open(key, iv, &aad, &self.ciphertext))
            .map_err(|_| UnwrapError::Damaged)
    }

    /// The key that wraps it.
    pub fn by(&self) -> KeyName {
        self.by
    }

    /// The bytes: version, purpose, wrapping key's id (16) and version (4, big-endian), nonce (28),
    /// ciphertext with its tag.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN + self.ciphertext.len());
        out.extend_from_slice(&[VERSION, self.purpose.number()]);
        out.extend_from_slice(&self.by.id);
        out.extend_from_slice(&self.by.version.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.ciphertext);
        out
    }

    /// Reads the bytes of a wrapped key that is to serve `purpose`.
    ///
    /// # Errors
    /// [`WrappedParseError`] for another version, purpose or length.
    pub fn parse(bytes: &[u8], purpose: Purpose) -> Result<Self, WrappedParseError> {
        let (head, rest) = bytes.split_first_chunk::<2>().ok_or(WrappedParseError)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(WrappedParseError)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(WrappedParseError)?;
        let (nonce, ciphertext) = rest.split_first_chunk().ok_or(WrappedParseError)?;
        let len = TAG_LEN..=MAX_WRAPPED_LEN + TAG_LEN;
        if *head != [VERSION, purpose.number()] || !len.contains(&ciphertext.len()) {
            return Err(WrappedParseError);
        }
        Ok(Self {
            purpose,
            by: KeyName {
                id: *id,
                version: u32::from_be_bytes(*version),
            },
            nonce: *nonce,
            ciphertext: ciphertext.into(),
        })
    }
}

/// Calls `use_key` with the key derived for one wrapping.
fn with_derived<T>(
    kek: &[u8; KEY_LEN],
    salt: &[u8],
    use_key: impl FnOnce(&[u8; KEY_LEN]) -> T,
) -> T {
    let derived = kbkdf(kek, LABEL, salt);
    use_key(
        derived
            .expose()
            .first_chunk()
            .expect("derived keys have 32 bytes"),
    )
}

fn split(nonce: &[u8; WRAP_NONCE_LEN]) -> (&[u8], [u8; NONCE_LEN]) {
    let (salt, iv) = nonce.split_at(SALT_LEN);
    let mut out = [0; NONCE_LEN];
    out.copy_from_slice(iv);
    (salt, out)
}

fn aad(purpose: Purpose, by: KeyName, nonce: &[u8], subject: &[&[u8]]) -> Aad {
    let mut aad = Aad::with_capacity(purpose, VERSION, 256);
    aad.push(&by.id);
    aad.push(&by.version.to_be_bytes());
    aad.push(nonce);
    for part in subject {
        aad.push(part);
    }
    aad
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEK: [u8; KEY_LEN] = [1; KEY_LEN];
    const BY: KeyName = KeyName {
        id: [2; 16],
        version: 3,
    };

    fn wrapped() -> Wrapped {
        let purpose = Purpose::MaterialWrap;
        Wrapped::wrap_with_nonce(&KEK, BY, purpose, &[b"subject"], &[7; 32], [4; 28])
    }

    #[test]
    fn only_the_same_key_purpose_and_subject_open_it() {
        let it = wrapped();
        let material = Purpose::MaterialWrap;
        let opened = it.unwrap(&KEK, BY, material, &[b"subject"]).unwrap();
        assert_eq!(opened.expose(), [7; 32]);

        let fails =
            |kek, purpose, subject: &[&[u8]]| it.unwrap(kek, BY, purpose, subject).unwrap_err();
        assert_eq!(
            fails(&[0; 32], material, &[b"subject"]),
            UnwrapError::Damaged
        );
        assert_eq!(
            fails(&KEK, Purpose::StoreKeyWrap, &[b"subject"]),
            UnwrapError::Damaged
        );
        assert_eq!(fails(&KEK, material, &[b"other"]), UnwrapError::Damaged);
        assert_eq!(
            fails(&KEK, material, &[b"sub", b"ject"]),
            UnwrapError::Damaged
        );
        let newer = KeyName { version: 4, ..BY };
        assert_eq!(
            it.unwrap(&KEK, newer, material, &[b"subject"]).unwrap_err(),
            UnwrapError::OtherKey(BY)
        );
    }

    #[test]
    fn the_bytes_are_those_of_version_1() {
        let bytes = wrapped().to_bytes();
        assert_eq!(
            hex::encode(&bytes),
            concat!(
                "0103", // version, purpose
                "02020202020202020202020202020202",
                "00000003",                                                 // wrapping key
                "04040404040404040404040404040404040404040404040404040404", // nonce
                "GOLDEN",
            )
        );
        assert_eq!(Wrapped::parse(&bytes, Purpose::MaterialWrap), Ok(wrapped()));
    }

    #[test]
    fn other_versions_purposes_and_lengths_do_not_parse() {
        let good = wrapped().to_bytes();
        let parse = |bytes: &[u8]| Wrapped::parse(bytes, Purpose::MaterialWrap);
        for len in 0..HEADER_LEN + TAG_LEN {
            assert_eq!(parse(&good[..len]), Err(WrappedParseError), "{len}");
        }
        let mut newer = good.clone();
        newer[0] = 2;
        assert_eq!(parse(&newer), Err(WrappedParseError));
        assert_eq!(
            Wrapped::parse(&good, Purpose::StoreKeyWrap),
            Err(WrappedParseError)
        );
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(bit in 0..(HEADER_LEN + 48) * 8) {
            let mut bytes = wrapped().to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = Wrapped::parse(&bytes, Purpose::MaterialWrap)
                .map(|it| it.unwrap(&KEK, BY, Purpose::MaterialWrap, &[b"subject"]).is_ok());
            prop_assert!(opened != Ok(true));
        }
    }
}
