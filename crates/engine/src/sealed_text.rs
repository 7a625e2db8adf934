//! Text that a client carries and cannot read or change: a version, a nonce and the sealed text.

use keyward_crypto::{
    aead::{self, Aad, NONCE_BYTES},
    random,
};

/// Seals a text. The version also has to be in `aad`.
pub fn seal(key: &[u8; 32], version: u8, aad: &Aad, text: &str) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = random::array();
    let mut bytes = vec![version];
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&aead::seal(key, nonce, aad, text.as_bytes()));
    bytes
}

/// The text, or `None` if it was sealed with another version, key or `aad`, or was altered.
pub fn open(key: &[u8; 32], version: u8, aad: &Aad, bytes: &[u8]) -> Option<String> {
    let (first, rest) = bytes.split_first()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    if *first != version {
        return None;
    }
    let text = aead::open(key, *nonce, aad, sealed).ok()?;
    String::from_utf8(text.expose().to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use keyward_crypto::aead::Purpose;

    use super::*;

    #[test]
    fn only_what_was_sealed_like_this_is_opened() {
        let aad = |part: &[u8]| Aad::new(Purpose::PageMarker, 1).part(part);
        let sealed = seal(&[7; 32], 1, &aad(b"list"), "position");
        assert_eq!(
            open(&[7; 32], 1, &aad(b"list"), &sealed).as_deref(),
            Some("position")
        );
        assert_eq!(open(&[8; 32], 1, &aad(b"list"), &sealed), None);
        assert_eq!(open(&[7; 32], 2, &aad(b"list"), &sealed), None);
        assert_eq!(open(&[7; 32], 1, &aad(b"other"), &sealed), None);
        for length in 0..sealed.len() {
            assert_eq!(open(&[7; 32], 1, &aad(b"list"), &sealed[..length]), None);
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(
                open(&[7; 32], 1, &aad(b"list"), &altered),
                None,
                "byte {at}"
            );
        }
    }
}
