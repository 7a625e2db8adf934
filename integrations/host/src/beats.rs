//! Signs of life of what is done for backups, which may hang: with the place, a disk of another machine or a bucket, and
//! with the directory for copies.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What is done counts its steps here, and others see whether it goes on.
#[derive(Clone, Debug, Default)]
pub struct Beats(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicU64,
    waits: AtomicBool,
    copies: AtomicBool,
}

impl Beats {
    /// Another step is done.
    pub fn beat(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on a volume is copied. It is held until that is done.
    pub fn copies(&self) {
        self.0.copies.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// The copy is complete.
    pub fn copied(&self) {
        self.0.copies.store(false, Ordering::Relaxed);
    }

    /// Whether a volume is copied.
    pub fn is_copying(&self) -> bool {
        self.0.copies.load(Ordering::Relaxed)
    }

    /// From now on it is the place that is waited for, and nothing of a volume is held.
    pub fn waits_for_place(&self) {
        self.0.waits.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// How many steps are done, if it is the place or a copy that is waited for.
    pub fn count(&self) -> Option<u64> {
        let waits = self.0.waits.load(Ordering::Relaxed);
        (waits || self.is_copying()).then(|| self.0.count.load(Ordering::Relaxed))
    }
}
