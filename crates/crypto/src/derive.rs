//! Key derivation by NIST SP 800-108r1 in counter mode with HMAC-SHA-256.
//!
//! `K(1) = HMAC(key, [1]₃₂ ‖ label ‖ 0x00 ‖ context ‖ [256]₃₂)`: a 32-bit counter before the fixed
//! input, one block, 256 bits out.

use aws_lc_rs::hmac;

use crate::secret::SecretBytes;

/// The length of a derived key, in bytes.
pub const DERIVED_LEN: usize = 32;

/// Derives 32 bytes. `label` says what the key is for and holds no zero byte, `context` whom or
/// which call it is for.
pub fn kbkdf(key: &[u8], label: &[u8], context: &[u8]) -> SecretBytes {
    debug_assert!(!label.contains(&0), "the zero byte ends the label");
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut mac = hmac::Context::with_key(&key);
    mac.update(&1u32.to_be_bytes());
    mac.update(label);
    mac.update(&[0]);
    mac.update(context);
    mac.update(&256u32.to_be_bytes());
    let tag = mac.sign();
    SecretBytes::init(DERIVED_LEN, |out| out.copy_from_slice(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::kdf;
    use proptest::prelude::*;

    use super::*;

    /// AWS-LC's own implementation, given the fixed input as its standard's info.
    fn second_implementation(key: &[u8], label: &[u8], context: &[u8]) -> Vec<u8> {
        let info = [label, &[0], context, &256u32.to_be_bytes()].concat();
        let id = kdf::KbkdfCtrHmacAlgorithmId::Sha256;
        let algorithm = kdf::get_kbkdf_ctr_hmac_algorithm(id).unwrap();
        let mut out = vec![0; DERIVED_LEN];
        kdf::kbkdf_ctr_hmac(algorithm, key, &info, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn agrees_with_the_librarys_own_kdf(
            key in proptest::collection::vec(any::<u8>(), 1..100),
            label in proptest::collection::vec(1..=255u8, 0..40),
            context in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let ours = kbkdf(&key, &label, &context);
            prop_assert_eq!(ours.expose(), second_implementation(&key, &label, &context));
        }
    }

    #[test]
    fn label_and_context_are_told_apart() {
        let key = [7; 32];
        let derive = |label: &[u8], context: &[u8]| kbkdf(&key, label, context).expose().to_vec();
        assert_ne!(derive(b"ab", b"c"), derive(b"a", b"bc"));
        assert_ne!(derive(b"a", b""), derive(b"", b"a"));
    }
}
