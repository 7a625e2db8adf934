//! The layout of a sealed value, version 2.
//!
//! | offset | bytes | what |
//! | ---: | ---: | --- |
//! | 0 | 1 | format version, 2 |
//! | 1 | 1 | purpose |
//! | 2 | 16 | id of the seal key |
//! | 18 | 4 | version of the seal key, big-endian |
//! | 22 | 16 | generation |
//! | 38 | 12 | nonce |
//! | 50 | n | ciphertext |
//! | 50 + n | 16 | tag |

use keyward_crypto::{
    aead,
    aead::{Aad, NONCE_BYTES},
    derive, random,
    secret::SecretBytes,
};
use keyward_types::store_id::StoreId;

use super::{
    Generation, Purpose, SealedError,
    keys::{SealKey, SealKeyId, SealKeys},
};
use crate::{batch::MAX_VALUE_BYTES, path::Path};

/// The format that this release writes, and the only one that it reads.
pub const VERSION: u8 = 2;
/// What sealing adds to a content.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + aead::TAG_BYTES;
/// The largest content of a record.
pub const MAX_CONTENT_BYTES: usize = MAX_VALUE_BYTES - OVERHEAD_BYTES;

const HEADER_BYTES: usize = 50;

/// The label of the keys that values are sealed under (SP 800-108); the context is the
/// generation.
const LABEL: &[u8] = b"keyward store value";

pub(super) struct Unsealed {
    pub(super) generation: Generation,
    pub(super) purpose: Purpose,
    pub(super) key: SealKeyId,
    pub(super) content: SecretBytes,
}

/// Seals under the current key.
pub(super) fn seal(
    keys: &SealKeys,
    path: &Path,
    generation: Generation,
    purpose: Purpose,
    content: &[u8],
) -> Vec<u8> {
    // A key is derived for every generation, and rewrapping keeps it: the nonce is what keeps
    // two seals of one generation under one key apart.
    let nonce = random::public();
    let by = (keys.store(), keys.sealing());
    seal_with(by, path, generation, nonce, purpose, content)
}

fn seal_with(
    (store, key): (StoreId, &SealKey),
    path: &Path,
    generation: Generation,
    nonce: [u8; NONCE_BYTES],
    purpose: Purpose,
    content: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + OVERHEAD_BYTES);
    out.extend_from_slice(&[VERSION, purpose.number()]);
    out.extend_from_slice(&key.id.id);
    out.extend_from_slice(&key.id.version.to_be_bytes());
    out.extend_from_slice(generation.as_bytes());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(content);
    let derived = derive::kbkdf(key.expose(), LABEL, generation.as_bytes());
    let aad = aad(store, path, generation, purpose, key.id);
    aead::seal_in_place(&derived, nonce, &aad, &mut out, HEADER_BYTES);
    out
}

/// The generation that a sealed value states; nothing of it is proven.
pub fn generation(value: &[u8]) -> Option<Generation> {
    let (header, _) = value.split_first_chunk::<HEADER_BYTES>()?;
    let (_, rest) = header.split_first_chunk::<22>()?;
    rest.first_chunk::<16>()
        .map(|bytes| Generation::from_bytes(*bytes))
}

/// Opens what stands at `path`.
pub(super) fn open(keys: &SealKeys, path: &Path, value: &[u8]) -> Result<Unsealed, SealedError> {
    let tampered = || SealedError::Tampered { path: path.clone() };
    match value.first() {
        Some(&VERSION) => {}
        Some(&found) => {
            return Err(SealedError::Format {
                path: path.clone(),
                found,
                supported: VERSION,
            });
        }
        None => return Err(tampered()),
    }
    let header = value
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or_else(tampered)?;
    let ([_version, purpose, named @ ..], sealed) = header;
    let (id, rest) = named.split_first_chunk::<16>().ok_or_else(tampered)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(tampered)?;
    let (generation, nonce) = rest.split_first_chunk::<16>().ok_or_else(tampered)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| tampered())?;

    let purpose = Purpose::new(*purpose);
    let generation = Generation::from_bytes(*generation);
    let id = SealKeyId {
        id: *id,
        version: u32::from_be_bytes(*version),
    };
    let key = keys.find(id).ok_or_else(|| SealedError::UnknownKey {
        path: path.clone(),
        key: id,
    })?;
    let derived = derive::kbkdf(key.expose(), LABEL, generation.as_bytes());
    let aad = aad(keys.store(), path, generation, purpose, id);
    let content = aead::open(&derived, nonce, &aad, sealed).map_err(|_| tampered())?;
    Ok(Unsealed {
        generation,
        purpose,
        key: id,
        content,
    })
}

fn aad(
    store: StoreId,
    path: &Path,
    generation: Generation,
    purpose: Purpose,
    key: SealKeyId,
) -> Aad {
    Aad::with_capacity(aead::Purpose::StoreValue, VERSION, 256)
        .part(store.as_bytes())
        .part(path.as_str().as_bytes())
        .part(generation.as_bytes())
        .part(&[purpose.number()])
        .part(&key.id)
        .part(&key.version.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use keyward_crypto::secret::arena::Arena;

    use super::*;

    const STORE: StoreId = StoreId::from_bytes([0x66; 16]);

    fn keys() -> SealKeys {
        let (arena, _) = Arena::new(4096).unwrap();
        let store = |byte| arena.store_bytes(&[byte; 32]).unwrap();
        let id = SealKeyId {
            id: [0x11; 16],
            version: 7,
        };
        let key = SealKey::new(id, store(0x22)).unwrap();
        SealKeys::new(STORE, key, Vec::new(), store(0x33)).unwrap()
    }

    #[test]
    fn version_2_is_these_bytes_forever() {
        let keys = keys();
        let path = Path::parse("aws/000000000000/us-east-1/key/example").unwrap();
        let generation = Generation::from_bytes([0x44; 16]);
        let sealed = seal_with(
            (STORE, keys.sealing()),
            &path,
            generation,
            [0x55; 12],
            Purpose::new(9),
            b"a record",
        );
        assert_eq!(sealed.len(), 8 + OVERHEAD_BYTES);
        expect!["02091111111111111111111111111111111100000007444444444444444444444444444444445555555555555555555555554c3d4247414d31d76fdea85b4e107e4e92b10cf9e031b2b1"].assert_eq(&hex::encode(&sealed));
        let opened = open(&keys, &path, &sealed).unwrap();
        assert_eq!(opened.content.expose(), b"a record");
        assert_eq!(opened.generation, generation);
        assert_eq!(opened.purpose, Purpose::new(9));
        assert_eq!(opened.key, keys.current());
    }

    #[test]
    fn a_name_hash_is_these_digits_forever() {
        let keys = keys();
        let hash = keys.name_hash("aws/000000000000/us-east-1", "alias", "alias/example");
        expect!["a24f3ad9ef066b718f6129f0d9271647"].assert_eq(hash.as_str());
        let hash = |home, kind, text| keys.name_hash(home, kind, text);
        assert_ne!(hash("", "alias", "x"), hash("", "user", "x"));
        assert_ne!(hash("", "a", "lias"), hash("", "al", "ias"));
        assert_ne!(
            hash("aws/1/global", "user", "x"),
            hash("aws/2/global", "user", "x")
        );
        assert_ne!(hash("a", "b", "c"), hash("ab", "", "c"));
    }

    #[test]
    fn a_content_as_long_as_may_be_becomes_a_value_as_long_as_may_be() {
        let keys = keys();
        let path = Path::parse("a").unwrap();
        let content = vec![0; MAX_CONTENT_BYTES];
        let generation = Generation::random();
        let sealed = seal(&keys, &path, generation, Purpose::new(1), &content);
        assert_eq!(sealed.len(), MAX_VALUE_BYTES);
    }
}
