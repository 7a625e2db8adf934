//! The arena: one region of memory, sized at start, in which long-lived secrets rest.
//!
//! It is page aligned, locked into memory and excluded from core dumps where the operating system
//! allows it; what could not be done is reported, so that the server can warn. Its size bounds how
//! much key material is open at a time.

use std::fmt;
use std::sync::Arc;

use super::SecretBytes;
use super::lock::{Region, SLOT, Span};

/// A handle on the arena; clones share it.
#[derive(Clone)]
pub struct Arena(Arc<Region>);

/// What the operating system did for the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaReport {
    /// Its pages never go to swap.
    pub locked: bool,
    /// Its pages stand in no core dump.
    pub dump_excluded: bool,
    /// Why one of these is false, in words for an operator.
    pub reason: Option<String>,
}

/// No run of free slots in the arena is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the arena for secrets is full")]
pub struct ArenaFull;

/// How much of an arena is in use, in bytes (whole slots).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Bytes in use.
    pub used: usize,
    /// Bytes in all.
    pub capacity: usize,
}

impl Arena {
    /// An arena of at least that many bytes.
    ///
    /// # Errors
    /// [`ArenaFull`] if the operating system has no memory of that size.
    pub fn new(capacity_bytes: usize) -> Result<(Self, ArenaReport), ArenaFull> {
        let (region, done) = Region::map(capacity_bytes).map_err(|_| ArenaFull)?;
        let mut reasons = Vec::new();
        if let Err(error) = done.locked {
            reasons.push(format!(
                "cannot lock {capacity_bytes} bytes (see RLIMIT_MEMLOCK): {error}"
            ));
        }
        if let Err(error) = done.dump_excluded {
            reasons.push(format!("cannot exclude memory from dumps: {error}"));
        }
        let report = ArenaReport {
            locked: done.locked.is_ok(),
            dump_excluded: done.dump_excluded.is_ok(),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        };
        Ok((Self(Arc::new(region)), report))
    }

    /// Moves a secret into the arena; the original is wiped.
    ///
    /// # Errors
    /// [`ArenaFull`].
    #[expect(clippy::needless_pass_by_value, reason = "the original shall be wiped")]
    pub fn store(&self, secret: SecretBytes) -> Result<ArenaSecret, ArenaFull> {
        self.init(secret.len(), |out| out.copy_from_slice(secret.expose()))
    }

    /// Makes a secret in place: `fill` gets `len` zero bytes of the arena to write.
    ///
    /// # Errors
    /// [`ArenaFull`].
    pub fn init(&self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<ArenaSecret, ArenaFull> {
        let mut span = self.0.claim(len).ok_or(ArenaFull)?;
        fill(span.bytes_mut());
        Ok(ArenaSecret(span))
    }

    /// How much of it is in use.
    pub fn occupancy(&self) -> Occupancy {
        Occupancy {
            used: self.0.taken() * SLOT,
            capacity: self.0.capacity() * SLOT,
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arena")
    }
}

/// A secret in the arena. Wiped, and its room given back, on drop.
pub struct ArenaSecret(Span);

impl ArenaSecret {
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.bytes()
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.bytes().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for ArenaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArenaSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn a_stored_secret_keeps_its_bytes_until_it_is_dropped() {
        let (arena, _) = Arena::new(4096).unwrap();
        let stored = arena.store(SecretBytes::from_vec(vec![9; 100])).unwrap();
        assert_eq!(stored.expose(), [9; 100]);
        assert_eq!(arena.occupancy().used, 128);
        assert_eq!(format!("{stored:?} {arena:?}"), "ArenaSecret Arena");
        drop(stored);
        assert_eq!(
            arena.occupancy(),
            Occupancy {
                used: 0,
                capacity: 4096
            }
        );
    }

    #[test]
    fn a_full_arena_says_so_and_has_room_again_later() {
        let (arena, _) = Arena::new(1).unwrap();
        let mut held: Vec<_> = (0..64)
            .map(|_| arena.store(random::secret(32)).unwrap())
            .collect();
        assert_eq!(arena.store(random::secret(32)).unwrap_err(), ArenaFull);
        held.pop();
        arena.store(random::secret(64)).unwrap();
    }

    #[test]
    fn secrets_of_many_threads_never_share_bytes() {
        let (arena, _) = Arena::new(64 * 256).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let arena = &arena;
                scope.spawn(move || {
                    for round in 0..2000u32 {
                        let len = usize::try_from(round % 200).unwrap();
                        let mark = thread.wrapping_mul(61) ^ round.to_le_bytes()[0];
                        let held = arena.init(len, |out| out.fill(mark)).unwrap();
                        assert!(held.expose().iter().all(|byte| *byte == mark));
                    }
                });
            }
        });
        assert_eq!(arena.occupancy().used, 0);
    }
}
