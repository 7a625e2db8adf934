//! Signs of life of what is done with the place for backups, which may hang: a disk of another machine, or a bucket.

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
}

impl Beats {
    /// Another step is done.
    pub fn beat(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on it is the place that is waited for, and nothing of a volume is held.
    pub fn waits_for_place(&self) {
        self.0.waits.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// How many steps are done, if it is the place that is waited for.
    pub fn count(&self) -> Option<u64> {
        let waits = self.0.waits.load(Ordering::Relaxed);
        waits.then(|| self.0.count.load(Ordering::Relaxed))
    }
}
