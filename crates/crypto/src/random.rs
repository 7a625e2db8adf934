//! Random bytes from AWS-LC's generator (SP 800-90A CTR_DRBG, seeded by the operating system).

use aws_lc_rs::rand;

use crate::secret::SecretBytes;

/// Fills the buffer with random bytes.
pub fn fill(out: &mut [u8]) {
    // INVARIANT: AWS-LC ends the process when its generator cannot be seeded and reports no
    // other failure.
    rand::fill(out).expect("the generator fails by ending the process");
}

/// An array of random bytes, for what is not secret: ids, nonces, generations.
pub fn array<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill(&mut out);
    out
}

/// A secret of that many random bytes, made in place.
pub fn secret(len: usize) -> SecretBytes {
    SecretBytes::init(len, fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ_and_have_the_asked_length() {
        assert_ne!(array::<32>(), array::<32>());
        let (a, b) = (secret(33), secret(33));
        assert_eq!((a.len(), b.len()), (33, 33));
        assert_ne!(a.expose(), b.expose());
        fill(&mut []);
    }
}
