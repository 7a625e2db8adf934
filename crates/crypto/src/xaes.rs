//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): AES-256-GCM under a key derived for each nonce, so that
//! nonces have 192 bits and can be drawn at random without counting them.

use aws_lc_rs::{
    aead::{self, AES_256_GCM, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_256, EncryptingKey, UnboundCipherKey},
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::aead::{Aad, OpenError, TAG_BYTES};

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes of a prepared key.
pub const PREPARED_BYTES: usize = 48;

/// A key and the CMAC subkey of it (K ‖ K1), which every message under the key needs. As secret as the key.
pub type PreparedKey = Zeroizing<[u8; PREPARED_BYTES]>;

/// Prepares a key for many messages.
pub fn prepare(key: &[u8; 32]) -> PreparedKey {
    let mut subkey = Zeroizing::new([0; 16]);
    encrypt_blocks(key, &mut *subkey);
    // Doubling in GF(2^128), NIST SP 800-38B section 6.1, without a branch on the secret.
    let value = u128::from_be_bytes(*subkey);
    let carry = (value >> 127) * 0b1000_0111;
    *subkey = ((value << 1) ^ carry).to_be_bytes();
    let mut prepared = Zeroizing::new([0; PREPARED_BYTES]);
    let (left, right) = prepared.split_at_mut(32);
    left.copy_from_slice(key);
    right.copy_from_slice(&*subkey);
    prepared
}

/// Replaces a plaintext with its ciphertext, and returns the tag.
pub fn seal(
    key: &[u8; PREPARED_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &Aad,
    in_out: &mut [u8],
) -> [u8; TAG_BYTES] {
    seal_raw(key, nonce, aad.as_bytes(), in_out)
}

/// Decrypts a ciphertext into a buffer of the same length.
///
/// # Errors
/// One error for every cause. The buffer then holds zeros.
pub fn open(
    key: &[u8; PREPARED_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &Aad,
    ciphertext: &[u8],
    tag: &[u8; TAG_BYTES],
    plaintext: &mut [u8],
) -> Result<(), OpenError> {
    open_raw(key, nonce, aad.as_bytes(), ciphertext, tag, plaintext)
}

fn seal_raw(
    key: &[u8; PREPARED_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    in_out: &mut [u8],
) -> [u8; TAG_BYTES] {
    let (cipher, nonce) = derive(key, nonce);
    let sealed = cipher
        .seal_in_place_separate_tag(nonce, aead::Aad::from(aad), in_out)
        .expect("messages are far below the cipher's limit");
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(sealed.as_ref());
    tag
}

fn open_raw(
    key: &[u8; PREPARED_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG_BYTES],
    plaintext: &mut [u8],
) -> Result<(), OpenError> {
    let (cipher, nonce) = derive(key, nonce);
    let aad = aead::Aad::from(aad);
    let opened = if plaintext.len() == ciphertext.len() {
        cipher.open_separate_gather(nonce, aad, ciphertext, tag, plaintext)
    } else {
        Err(aws_lc_rs::error::Unspecified)
    };
    opened.map_err(|_| {
        plaintext.zeroize();
        OpenError
    })
}

/// The AES-256-GCM key of a nonce, and the nonce's second half.
fn derive(prepared: &[u8; PREPARED_BYTES], nonce: &[u8; NONCE_BYTES]) -> (LessSafeKey, Nonce) {
    let (key, subkey) = prepared.split_at(32);
    let (context, rest) = nonce.split_at(12);
    let mut derived = Zeroizing::new([0; 32]);
    for (counter, message) in [1, 2].into_iter().zip(derived.chunks_exact_mut(16)) {
        let (head, tail) = message.split_at_mut(4);
        head.copy_from_slice(&[0, counter, b'X', 0]);
        tail.copy_from_slice(context);
        for (byte, mask) in message.iter_mut().zip(subkey) {
            *byte ^= mask;
        }
    }
    encrypt_blocks(key, &mut *derived);
    let key = UnboundKey::new(&AES_256_GCM, &*derived).expect("32 bytes fit AES-256");
    let mut gcm_nonce = [0; 12];
    gcm_nonce.copy_from_slice(rest);
    (
        LessSafeKey::new(key),
        Nonce::assume_unique_for_key(gcm_nonce),
    )
}

/// The bare block cipher on each 16 bytes.
fn encrypt_blocks(key: &[u8], blocks: &mut [u8]) {
    let key = UnboundCipherKey::new(&AES_256, key).expect("32 bytes fit AES-256");
    EncryptingKey::ecb(key)
        .and_then(|cipher| cipher.encrypt(blocks))
        .expect("whole blocks can be encrypted");
}

#[cfg(test)]
mod tests;
