//! Key derivation: NIST SP 800-108r1 counter mode with HMAC-SHA-256, 32-bit counter before the
//! fixed data, one or two blocks of 256 bits.

use zeroize::Zeroizing;

use crate::mac::Keyed;

/// A derived 256-bit key, wiped when it goes out of use.
pub type DerivedKey = Zeroizing<[u8; 32]>;

/// `HMAC(key, [1]₃₂ ‖ label ‖ 0x00 ‖ context ‖ [256]₃₂)`.
///
/// A label holds no zero byte; the zero byte after it separates it from the context.
pub fn kbkdf(key: &[u8], label: &[u8], context: &[u8]) -> DerivedKey {
    block(&Keyed::new(key), 1, label, context, 256)
}

/// The two blocks of a 512-bit output, as two keys: neither reveals anything about the other.
pub fn kbkdf_pair(key: &[u8], label: &[u8], context: &[u8]) -> (DerivedKey, DerivedKey) {
    let key = Keyed::new(key);
    (
        block(&key, 1, label, context, 512),
        block(&key, 2, label, context, 512),
    )
}

fn block(key: &Keyed, counter: u32, label: &[u8], context: &[u8], bits: u32) -> DerivedKey {
    let (counter, bits) = (counter.to_be_bytes(), bits.to_be_bytes());
    Zeroizing::new(key.mac(&[&counter, label, &[0], context, &bits]))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};

    use super::*;

    /// AWS-LC's own KBKDF is the second implementation.
    #[test]
    fn both_lengths_agree_with_aws_lc() {
        let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256).unwrap();
        let (key, label, context) = (b"a key of some length", b"label", b"context \x00 bytes");
        let info = [&label[..], &[0], context, &256u32.to_be_bytes()].concat();
        let mut expect = [0; 32];
        kbkdf_ctr_hmac(algorithm, key, &info, &mut expect).unwrap();
        assert_eq!(*kbkdf(key, label, context), expect);

        let info = [&label[..], &[0], context, &512u32.to_be_bytes()].concat();
        let mut expect = [0; 64];
        kbkdf_ctr_hmac(algorithm, key, &info, &mut expect).unwrap();
        let (first, second) = kbkdf_pair(key, label, context);
        assert_eq!([*first, *second].concat(), expect);
    }
}
