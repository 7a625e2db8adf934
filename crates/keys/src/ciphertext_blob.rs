//! The ciphertext blob: what Encrypt and GenerateDataKey return, opaque to everybody else.
//!
//! Every plaintext costs exactly [`OVERHEAD`] bytes more. The layout, all integers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 2 | `KW` |
//! | 2 | 1 | format version, 1 |
//! | 3 | 1 | purpose: user data, 3 |
//! | 4 | 5 | account, as a number |
//! | 9 | 16 | Region, padded with zeros |
//! | 25 | 1 | kind of key id: 0 UUID, 1 multi-Region |
//! | 26 | 16 | key id |
//! | 42 | 32 | material id |
//! | 74 | 16 | derivation nonce |
//! | 90 | 32 | commitment to the derived key |
//! | 122 | 2 | zeros |
//! | 124 | 12 | GCM nonce |
//! | 136 | n | ciphertext |
//! | 136+n | 16 | tag |
//!
//! The material, the nonce and the first 74 bytes make two keys (SP 800-108): one encrypts, the
//! other is the commitment, which keeps a blob from opening under two keys. The additional data
//! are the first 124 bytes, the key's ARN and the encryption context.

use keyward_crypto::{
    aead::{self, Aad, NONCE_BYTES, Purpose, TAG_BYTES},
    derive::{DerivedKey, kbkdf_pair},
    mac, random,
    secret::SecretBytes,
};
use keyward_types::{
    account::AccountId,
    encryption_context::EncryptionContext,
    key_id::{KeyArn, KeyId},
    material_id::MaterialId,
    region::Region,
};

/// How many bytes a blob has more than its plaintext.
pub const OVERHEAD: usize = HEADER + NONCE_BYTES + TAG_BYTES;
/// The longest blob that is read: AWS's limit of the parameter.
pub const MAX_BLOB: usize = 6144;

const VERSION: u8 = 1;
const IDENTITY: usize = 74;
/// The part at the beginning of a blob that names the key: account, Region, kind and id.
const NAME: std::ops::Range<usize> = 4..42;
const NONCE: usize = 16;
const HEADER: usize = 124;
const LABEL: &[u8] = b"keyward ciphertext blob v1";

/// A parsed blob. It may parse and still not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiphertextBlob<'b> {
    arn: KeyArn,
    material_id: MaterialId,
    header: &'b [u8; HEADER],
    nonce: [u8; NONCE_BYTES],
    sealed: &'b [u8],
}

/// The bytes are not a blob, or it does not open: one error for every cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext cannot be opened")]
pub struct BlobError;

impl<'b> CiphertextBlob<'b> {
    /// Takes a blob apart.
    ///
    /// # Errors
    /// When it does not have the layout.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, BlobError> {
        Self::take_apart(bytes, None)
    }

    /// As [`parse`](Self::parse), given the key that most likely encrypted it: then its ARN is
    /// shared with the key instead of being built again.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_of(key: (&KeyArn, &Identity), bytes: &'b [u8]) -> Result<Self, BlobError> {
        Self::take_apart(bytes, Some(key))
    }

    fn take_apart(bytes: &'b [u8], key: Option<(&KeyArn, &Identity)>) -> Result<Self, BlobError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(BlobError)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(BlobError)?;
        if sealed.len() <= TAG_BYTES || bytes.len() > MAX_BLOB {
            return Err(BlobError);
        }
        let (magic, rest) = header.split_first_chunk::<4>().ok_or(BlobError)?;
        let (account, rest) = rest.split_first_chunk::<5>().ok_or(BlobError)?;
        let (region, rest) = rest.split_first_chunk::<16>().ok_or(BlobError)?;
        let ([kind], rest) = rest.split_first_chunk::<1>().ok_or(BlobError)?;
        let (key_id, rest) = rest.split_first_chunk::<16>().ok_or(BlobError)?;
        let (material_id, rest) = rest.split_first_chunk::<32>().ok_or(BlobError)?;
        if magic != &[b'K', b'W', VERSION, Purpose::UserData as u8] || !rest.ends_with(&[0, 0]) {
            return Err(BlobError);
        }
        let arn = match key.filter(|(_, identity)| identity.is_named_by(header)) {
            Some((arn, _)) => arn.clone(),
            None => KeyArn::new(
                read_region(region)?,
                read_account(account)?,
                read_id(*kind, key_id)?,
            ),
        };
        let material_id = MaterialId::from_bytes(*material_id);
        Ok(Self {
            arn,
            material_id,
            header,
            nonce: *nonce,
            sealed,
        })
    }

    /// The key that made it.
    pub fn key(&self) -> &KeyArn {
        &self.arn
    }

    /// The material that made it.
    pub fn material_id(&self) -> MaterialId {
        self.material_id
    }

    /// Opens it with the key's material.
    pub(crate) fn open(
        &self,
        material: &[u8],
        context: &EncryptionContext,
    ) -> Result<SecretBytes, BlobError> {
        let (key, commitment) = derive(material, self.header)?;
        let stated = self
            .header
            .get(IDENTITY + NONCE..HEADER - 2)
            .ok_or(BlobError)?;
        // Both checks always run, so that the time does not reveal why a blob fails.
        let committed = mac::equal(&*commitment, stated);
        let opened = aead::open(
            &key,
            self.nonce,
            &aad(self.header, &self.arn, context),
            self.sealed,
        );
        match opened {
            Ok(plaintext) if committed => Ok(plaintext),
            Ok(_) | Err(_) => Err(BlobError),
        }
    }
}

/// What blobs of one material begin with, the same for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Identity([u8; IDENTITY]);

impl Identity {
    /// The beginning of the blobs that are encrypted under a key's material.
    ///
    /// # Errors
    /// When a blob cannot name the key's id.
    pub(crate) fn new(arn: &KeyArn, material_id: MaterialId) -> Result<Self, BlobError> {
        let mut identity = [0; IDENTITY];
        write_identity(&mut identity, arn, material_id)?;
        Ok(Self(identity))
    }

    /// Whether a header names the same key, by whichever material of it.
    fn is_named_by(&self, header: &[u8; HEADER]) -> bool {
        let stated = header.get(NAME);
        stated.is_some() && self.0.get(NAME) == stated
    }
}

/// Encrypts under a key's material.
pub(crate) fn seal(
    (arn, identity): (&KeyArn, &Identity),
    material: &[u8],
    plaintext: &[u8],
    context: &EncryptionContext,
) -> Result<Vec<u8>, BlobError> {
    let key = (arn, identity);
    seal_with(key, material, plaintext, context, random::public())
}

fn seal_with(
    (arn, identity): (&KeyArn, &Identity),
    material: &[u8],
    plaintext: &[u8],
    context: &EncryptionContext,
    random: [u8; NONCE + NONCE_BYTES],
) -> Result<Vec<u8>, BlobError> {
    let (nonce, gcm_nonce) = random.split_first_chunk::<NONCE>().ok_or(BlobError)?;
    let gcm_nonce: [u8; NONCE_BYTES] = gcm_nonce.try_into().map_err(|_| BlobError)?;
    let mut header = [0; HEADER];
    let (first, rest) = header.split_at_mut(IDENTITY);
    first.copy_from_slice(&identity.0);
    *rest.first_chunk_mut().ok_or(BlobError)? = *nonce;
    let (key, commitment) = derive(material, &header)?;
    header
        .get_mut(IDENTITY + NONCE..HEADER - 2)
        .ok_or(BlobError)?
        .copy_from_slice(&*commitment);
    let mut blob = Vec::with_capacity(OVERHEAD + plaintext.len());
    blob.extend_from_slice(&header);
    blob.extend_from_slice(&gcm_nonce);
    blob.extend_from_slice(plaintext);
    let aad = aad(&header, arn, context);
    aead::seal_in_place(&key, gcm_nonce, &aad, &mut blob, HEADER + NONCE_BYTES);
    Ok(blob)
}

fn derive(material: &[u8], header: &[u8; HEADER]) -> Result<(DerivedKey, DerivedKey), BlobError> {
    let context = header.get(..IDENTITY + NONCE).ok_or(BlobError)?;
    Ok(kbkdf_pair(material, LABEL, context))
}

fn aad(header: &[u8; HEADER], arn: &KeyArn, context: &EncryptionContext) -> Aad {
    let bytes = 12 + HEADER + arn.as_str().len() + context.canonical_len();
    Aad::with_capacity(Purpose::UserData, VERSION, bytes)
        .part(header)
        .part(arn.as_str().as_bytes())
        .part_with(|out| context.write_canonical(out))
}

fn write_identity(
    identity: &mut [u8; IDENTITY],
    arn: &KeyArn,
    material_id: MaterialId,
) -> Result<(), BlobError> {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        let place = identity.get_mut(at..at + bytes.len()).ok_or(BlobError)?;
        place.copy_from_slice(bytes);
        at += bytes.len();
        Ok(())
    };
    let mut region = [0; 16];
    let name = arn.region().as_str().as_bytes();
    region
        .get_mut(..name.len())
        .ok_or(BlobError)?
        .copy_from_slice(name);
    let account = arn.account().number().to_be_bytes();
    let (kind, id) = id_bytes(arn.id())?;
    put(&[b'K', b'W', VERSION, Purpose::UserData as u8])?;
    put(account.get(3..).ok_or(BlobError)?)?;
    put(&region)?;
    put(&[kind])?;
    put(&id)?;
    put(material_id.as_bytes())
}

fn id_bytes(id: &KeyId) -> Result<(u8, [u8; 16]), BlobError> {
    let (kind, text) = match id.as_str().strip_prefix("mrk-") {
        Some(digits) => (1, digits),
        None => (0, id.as_str()),
    };
    let mut digits = [0; 32];
    let mut places = digits.iter_mut();
    for digit in text.bytes().filter(|byte| *byte != b'-') {
        *places.next().ok_or(BlobError)? = digit;
    }
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| BlobError)?;
    Ok((kind, bytes))
}

fn read_id(kind: u8, bytes: &[u8; 16]) -> Result<KeyId, BlobError> {
    let mut digits = [0; 32];
    hex::encode_to_slice(bytes, &mut digits).map_err(|_| BlobError)?;
    let mut text = [b'-'; 36];
    let text = match kind {
        0 => {
            let places = (0_usize..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
            for (place, digit) in places.zip(digits) {
                *text.get_mut(place).ok_or(BlobError)? = digit;
            }
            text
        }
        1 => {
            let (prefix, rest) = text.split_at_mut(4);
            prefix.copy_from_slice(b"mrk-");
            rest.copy_from_slice(&digits);
            text
        }
        _ => return Err(BlobError),
    };
    let text = std::str::from_utf8(&text).map_err(|_| BlobError)?;
    KeyId::parse(text).map_err(|_| BlobError)
}

fn read_account(bytes: &[u8; 5]) -> Result<AccountId, BlobError> {
    let number = bytes
        .iter()
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    AccountId::from_number(number).map_err(|_| BlobError)
}

fn read_region(bytes: &[u8; 16]) -> Result<Region, BlobError> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (name, padding) = bytes.split_at(end);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(BlobError);
    }
    let name = std::str::from_utf8(name).map_err(|_| BlobError)?;
    Region::parse(name).map_err(|_| BlobError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(id: &str) -> KeyArn {
        let account = AccountId::parse("999999999999").unwrap();
        KeyArn::new(
            Region::parse("us-isof-south-1").unwrap(),
            account,
            KeyId::parse(id).unwrap(),
        )
    }

    fn seal(
        arn: &KeyArn,
        material_id: MaterialId,
        material: &[u8],
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, BlobError> {
        let identity = Identity::new(arn, material_id)?;
        super::seal((arn, &identity), material, plaintext, context)
    }

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        let pairs = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        EncryptionContext::new(pairs).unwrap()
    }

    const UUID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn every_plaintext_costs_152_bytes() {
        assert_eq!(OVERHEAD, 152);
        for length in [1, 16, 32, 127, 128, 129, 255, 256, 1024, 4095, 4096] {
            let (material, plaintext) = ([3; 32], vec![9; length]);
            for id in [UUID, "mrk-1234abcd12ab34cd56ef1234567890ab"] {
                let context = context(&[("a", "b")]);
                let id = arn(id);
                let material_id = MaterialId::from_bytes([4; 32]);
                let blob = seal(&id, material_id, &material, &plaintext, &context).unwrap();
                assert_eq!(blob.len(), length + 152);
                let parsed = CiphertextBlob::parse(&blob).unwrap();
                assert_eq!((parsed.key(), parsed.material_id()), (&id, material_id));
                assert_eq!(
                    parsed.open(&material, &context).unwrap().expose(),
                    plaintext
                );
            }
        }
    }

    #[test]
    fn version_1_is_golden() {
        let context = context(&[("Department", "Finance")]);
        let material_id = MaterialId::from_bytes([4; 32]);
        let random = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let arn = arn(UUID);
        let identity = Identity::new(&arn, material_id).unwrap();
        let blob = seal_with((&arn, &identity), &[3; 32], b"hello", &context, random).unwrap();
        expect_test::expect_file!["../tests/golden/ciphertext-blob-v1.hex"]
            .assert_eq(&(hex::encode(&blob) + "\n"));
        let parsed = CiphertextBlob::parse(&blob).unwrap();
        assert_eq!(parsed.open(&[3; 32], &context).unwrap().expose(), b"hello");
    }

    #[test]
    fn any_flipped_bit_is_the_same_fault() {
        let context = context(&[("a", "b")]);
        let material_id = MaterialId::from_bytes([4; 32]);
        let blob = seal(&arn(UUID), material_id, &[3; 32], b"hello", &context).unwrap();
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = CiphertextBlob::parse(&flipped).and_then(|b| b.open(&[3; 32], &context));
            assert_eq!(opened.unwrap_err(), BlobError, "bit {bit}");
        }
        for end in 0..blob.len() {
            let opened =
                CiphertextBlob::parse(&blob[..end]).and_then(|b| b.open(&[3; 32], &context));
            assert_eq!(opened.unwrap_err(), BlobError, "cut at {end}");
        }
    }

    #[test]
    fn other_material_or_context_is_the_same_fault() {
        let material_id = MaterialId::from_bytes([4; 32]);
        let blob = seal(
            &arn(UUID),
            material_id,
            &[3; 32],
            b"hello",
            &context(&[("a", "b")]),
        )
        .unwrap();
        let parsed = CiphertextBlob::parse(&blob).unwrap();
        assert_eq!(
            parsed.open(&[2; 32], &context(&[("a", "b")])).unwrap_err(),
            BlobError
        );
        for other in [
            &[][..],
            &[("a", "c")],
            &[("A", "b")],
            &[("a", "b"), ("c", "d")],
        ] {
            assert_eq!(
                parsed.open(&[3; 32], &context(other)).unwrap_err(),
                BlobError
            );
        }
    }
}
