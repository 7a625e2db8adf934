//! Key derivation: NIST SP 800-108r1 counter mode with HMAC-SHA-256, 32-bit counter before the
//! fixed data, one block of 256 bits.

use zeroize::Zeroizing;

use crate::mac::hmac_sha256;

/// A derived 256-bit key, wiped when it goes out of use.
pub type DerivedKey = Zeroizing<[u8; 32]>;

/// `HMAC(key, [1]₃₂ ‖ label ‖ 0x00 ‖ context ‖ [256]₃₂)`.
///
/// A label holds no zero byte; the zero byte after it separates it from the context.
pub fn kbkdf(key: &[u8], label: &[u8], context: &[u8]) -> DerivedKey {
    let counter = 1u32.to_be_bytes();
    let bits = 256u32.to_be_bytes();
    Zeroizing::new(hmac_sha256(key, &[&counter, label, &[0], context, &bits]))
}
