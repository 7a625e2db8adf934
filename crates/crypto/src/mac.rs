//! HMAC-SHA-256 (FIPS 198-1) and comparison in constant time.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

/// The length of an HMAC-SHA-256 tag, in bytes.
pub const TAG_LEN: usize = 32;

/// The tag of the parts laid end to end. The parts' boundaries are not bound: callers that need
/// them give fixed lengths or write lengths themselves.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; TAG_LEN] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; TAG_LEN];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_2_holds_however_the_data_is_cut() {
        let tag = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let whole = b"what do ya want for nothing?".as_slice();
        assert_eq!(hex::encode(hmac_sha256(b"Jefe", &[whole])), tag);
        let (left, right) = whole.split_at(9);
        assert_eq!(hex::encode(hmac_sha256(b"Jefe", &[left, b"", right])), tag);
    }

    #[test]
    fn only_equal_bytes_of_equal_length_are_equal() {
        assert!(equal(b"same", b"same"));
        assert!(!equal(b"same", b"sane"));
        assert!(!equal(b"same", b"same "));
        assert!(equal(b"", b""));
    }
}
