//! Random bytes from AWS-LC's generator (CTR_DRBG, seeded by the operating system).

use std::{cell::RefCell, time::SystemTime};

use aws_lc_rs::rand;

use crate::secret::SecretBytes;

/// How many random bytes that are not secret are drawn at once.
const POOL_BYTES: usize = 512;

thread_local! {
    /// Bytes drawn ahead, and how many of them are still unused, at the end.
    static POOL: RefCell<([u8; POOL_BYTES], usize)> = const { RefCell::new(([0; POOL_BYTES], 0)) };
}

/// Fills a buffer.
///
/// AWS-LC ends the process itself when the operating system returns no entropy; there is no
/// sensible way to continue.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the generator ends the process rather than fail");
}

/// An array of random bytes.
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// An array of random bytes that are not a secret, once they are used: ids, nonces, salts. They are
/// as random as all others, but drawn in batches, since each draw has a fixed cost.
///
/// A machine that is resumed twice from one image of its memory has the same bytes drawn ahead
/// both times. The clock is mixed in: they become the same nonces only if both draw them in the
/// same nanosecond by their own clocks.
pub fn public<const N: usize>() -> [u8; N] {
    let mut bytes = drawn_ahead();
    mix(&mut bytes, nanoseconds());
    bytes
}

/// Uniform bytes stay so, whatever is mixed into them.
fn mix<const N: usize>(bytes: &mut [u8; N], clock: u64) {
    const { assert!(N >= 8) };
    for (byte, tick) in bytes.iter_mut().zip(clock.to_le_bytes()) {
        *byte ^= tick;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no time is told by it: any two readings need only differ"
)]
fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = since.unwrap_or_default().as_nanos();
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

fn drawn_ahead<const N: usize>() -> [u8; N] {
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
            // Whoever reads this memory later does not learn what was drawn.
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
    fn the_same_bytes_at_two_times_are_two_nonces() {
        let drawn: [u8; 28] = array();
        let at = |clock: u64| {
            let mut bytes = drawn;
            mix(&mut bytes, clock);
            bytes
        };
        assert_eq!(at(0), drawn);
        assert_ne!(at(1_795_000_000_000_000_000), at(1_795_000_000_000_000_001));
        assert_ne!(nanoseconds(), u64::MAX);
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
