//! Random bytes from AWS-LC's generator (CTR_DRBG, seeded by the operating system).

use aws_lc_rs::rand;

use crate::secret::SecretBytes;

/// Fills a buffer.
///
/// AWS-LC ends the process itself when the operating system gives no entropy; there is nothing
/// sensible to go on with.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the generator ends the process rather than fail");
}

/// An array of random bytes.
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Random bytes that are a secret.
pub fn secret(length: usize) -> SecretBytes {
    let mut bytes = vec![0; length];
    fill(&mut bytes);
    SecretBytes::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(array::<32>(), array::<32>());
        assert_eq!(secret(5).len(), 5);
    }
}
