//! Random bytes from AWS-LC's generator (CTR_DRBG, seeded by the operating system).

use std::cell::RefCell;

use aws_lc_rs::rand;

use crate::secret::SecretBytes;

/// How many bytes are drawn at once for what is no secret.
const POOL_BYTES: usize = 512;

thread_local! {
    /// Bytes drawn ahead, and how many of them are still unused, at the end.
    static POOL: RefCell<([u8; POOL_BYTES], usize)> = const { RefCell::new(([0; POOL_BYTES], 0)) };
}

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

/// An array of random bytes that are no secret, once they are used: ids, nonces, salts. They are
/// as random as all others; they are drawn some at a time, since each draw has a cost of its own.
pub fn public<const N: usize>() -> [u8; N] {
    const { assert!(N <= POOL_BYTES) };
    POOL.with_borrow_mut(|(pool, unused)| {
        if *unused < N {
            fill(pool);
            *unused = POOL_BYTES;
        }
        *unused -= N;
        let mut bytes = [0; N];
        if let Some(drawn) = pool.get_mut(*unused..*unused + N) {
            bytes.copy_from_slice(drawn);
            // Nobody who reads this memory later learns what was drawn.
            drawn.fill(0);
        }
        bytes
    })
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

    #[test]
    fn no_draw_of_public_bytes_comes_twice_or_empty() {
        let drawn: Vec<[u8; 28]> = std::iter::repeat_with(public).take(1000).collect();
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
        assert!(!distinct.contains(&[0; 28]));
        let other = std::thread::spawn(public::<28>).join().unwrap();
        assert!(!distinct.contains(&other));
    }
}
