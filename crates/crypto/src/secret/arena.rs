//! The arena: one region of locked, undumpable memory, sized at the start, which holds every
//! long-lived secret. Its size bounds how much opened key material there is.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::secret::{SecretBytes, lock::Pages};

/// Bytes of a slot; a secret takes as many neighbouring slots as it needs.
pub const SLOT_BYTES: usize = 64;

/// A handle on the arena; clones share it.
#[derive(Clone)]
pub struct Arena(Arc<Inner>);

struct Inner {
    pages: Pages,
    slots: usize,
    used: AtomicUsize,
    free: Mutex<Free>,
}

/// Which slots are taken: one bit each, and where to look first.
struct Free {
    taken: Vec<u64>,
    hint: usize,
}

/// What the operating system granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaReport {
    /// The arena's size in bytes.
    pub bytes: usize,
    /// Whether it is locked against swap.
    pub locked: bool,
    /// Whether it is left out of core dumps.
    pub dump_excluded: bool,
    /// Why not, in words for the log.
    pub warnings: Vec<String>,
}

/// The arena has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the arena for secrets is full")]
pub struct ArenaFull;

/// No memory could be mapped for the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for the arena of {bytes} bytes")]
pub struct ArenaError {
    /// The size asked for.
    pub bytes: usize,
}

/// A secret in the arena: wiped and given back on drop.
pub struct ArenaSecret {
    arena: Arc<Inner>,
    slot: usize,
    length: usize,
}

impl Arena {
    /// Maps and locks an arena of at least `bytes` bytes.
    ///
    /// # Errors
    /// When there is no memory. If it cannot be locked, that is not an error, but the report says
    /// so.
    pub fn new(bytes: usize) -> Result<(Self, ArenaReport), ArenaError> {
        let slots = bytes.div_ceil(SLOT_BYTES).max(1);
        let bytes = slots * SLOT_BYTES;
        let pages = Pages::map(bytes).map_err(|_| ArenaError { bytes })?;
        let mut warnings = Vec::new();
        let (locked, excluded) = (pages.lock(), pages.exclude());
        if let Err(error) = locked {
            warnings.push(format!(
                "{bytes} bytes for secrets cannot be locked against swap ({error}): raise the limit on locked memory (ulimit -l, LimitMEMLOCK=)"
            ));
        }
        if let Err(error) = excluded {
            warnings.push(format!("secrets cannot be left out of core dumps: {error}"));
        }
        let report = ArenaReport {
            bytes,
            locked: locked.is_ok(),
            dump_excluded: excluded.is_ok(),
            warnings,
        };
        let free = Free {
            taken: vec![0; slots.div_ceil(64)],
            hint: 0,
        };
        let inner = Inner {
            pages,
            slots,
            used: AtomicUsize::new(0),
            free: Mutex::new(free),
        };
        Ok((Self(Arc::new(inner)), report))
    }

    /// Moves a secret into the arena.
    ///
    /// # Errors
    /// When there is no room; the secret is wiped in any case.
    pub fn store(&self, secret: &SecretBytes) -> Result<ArenaSecret, ArenaFull> {
        self.store_bytes(secret.expose())
    }

    /// Copies bytes into the arena; the caller wipes its own.
    ///
    /// # Errors
    /// When there is no room.
    pub fn store_bytes(&self, bytes: &[u8]) -> Result<ArenaSecret, ArenaFull> {
        let needed = bytes.len().div_ceil(SLOT_BYTES).max(1);
        let slot = {
            let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.take(needed, self.0.slots).ok_or(ArenaFull)?
        };
        self.0.used.fetch_add(needed, Ordering::Relaxed);
        self.0.pages.write(slot * SLOT_BYTES, bytes);
        Ok(ArenaSecret {
            arena: Arc::clone(&self.0),
            slot,
            length: bytes.len(),
        })
    }

    /// Slots in use.
    pub fn used_slots(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Slots in all.
    pub fn slots(&self) -> usize {
        self.0.slots
    }

    /// Whether more than seven eighths are in use, so that what can wait should not be kept.
    pub fn is_nearly_full(&self) -> bool {
        self.used_slots() * 8 > self.slots() * 7
    }
}

impl Free {
    fn is_taken(&self, slot: usize) -> bool {
        self.taken
            .get(slot / 64)
            .is_none_or(|word| word & 1 << (slot % 64) != 0)
    }

    fn set(&mut self, slot: usize, taken: bool) {
        if let Some(word) = self.taken.get_mut(slot / 64) {
            if taken {
                *word |= 1 << (slot % 64);
            } else {
                *word &= !(1 << (slot % 64));
            }
        }
    }

    /// The first run of so many free slots from the hint on, then from the start.
    fn take(&mut self, needed: usize, slots: usize) -> Option<usize> {
        let from_hint = self.find(self.hint, slots, needed);
        let found = from_hint.or_else(|| self.find(0, slots, needed))?;
        for slot in found..found + needed {
            self.set(slot, true);
        }
        self.hint = found + needed;
        Some(found)
    }

    fn find(&self, from: usize, to: usize, needed: usize) -> Option<usize> {
        let mut run = 0;
        let mut slot = from;
        while slot < to {
            // A full word of 64 used slots is skipped at once.
            if slot.is_multiple_of(64) && self.taken.get(slot / 64) == Some(&u64::MAX) {
                run = 0;
                slot += 64;
                continue;
            }
            run = if self.is_taken(slot) { 0 } else { run + 1 };
            slot += 1;
            if run == needed {
                return Some(slot - needed);
            }
        }
        None
    }
}

impl ArenaSecret {
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.arena.pages.read(self.slot * SLOT_BYTES, self.length)
    }

    /// The bytes as an array, if they are so many.
    pub fn expose_array<const N: usize>(&self) -> Option<&[u8; N]> {
        self.expose().try_into().ok()
    }
}

impl Drop for ArenaSecret {
    fn drop(&mut self) {
        let slots = self.length.div_ceil(SLOT_BYTES).max(1);
        self.arena
            .pages
            .wipe(self.slot * SLOT_BYTES, slots * SLOT_BYTES);
        let mut free = self
            .arena
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for slot in self.slot..self.slot + slots {
            free.set(slot, false);
        }
        free.hint = free.hint.min(self.slot);
        self.arena.used.fetch_sub(slots, Ordering::Relaxed);
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arena")
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

    #[test]
    fn a_full_arena_says_so_and_takes_again_what_is_given_back() {
        let (arena, report) = Arena::new(4 * SLOT_BYTES).unwrap();
        assert_eq!(report.bytes, 256);
        let a = arena.store_bytes(&[1; 64]).unwrap();
        let b = arena.store_bytes(&[2; 65]).unwrap();
        let c = arena.store_bytes(&[3; 32]).unwrap();
        assert_eq!(arena.store_bytes(&[4; 1]).unwrap_err(), ArenaFull);
        assert_eq!((a.expose(), c.expose()), (&[1; 64][..], &[3; 32][..]));
        drop(b);
        let d = arena.store_bytes(&[5; 100]).unwrap();
        assert_eq!(d.expose(), [5; 100]);
        assert!(arena.is_nearly_full());
        drop((a, c, d));
        assert_eq!(arena.used_slots(), 0);
    }

    #[test]
    fn a_secret_given_back_is_wiped() {
        let (arena, _) = Arena::new(SLOT_BYTES).unwrap();
        drop(arena.store_bytes(&[0xAA; 40]).unwrap());
        let next = arena.store_bytes(&[0; 1]).unwrap();
        assert_eq!(arena.0.pages.read(0, SLOT_BYTES), [0; SLOT_BYTES]);
        drop(next);
    }
}
