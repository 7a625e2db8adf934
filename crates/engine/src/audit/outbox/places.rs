//! Where in the outbox this process puts its events, and the events themselves, at hand.

use std::collections::HashMap;

use keyward_crypto::random;
use keyward_store::{
    path::{Path, PathError},
    sealed::Generation,
};
use parking_lot::Mutex;

use crate::directory::paths;

/// The most bytes of events that are kept at hand; others are read back from the store.
const MAX_AT_HAND: usize = 8 << 20;

/// The places of this process.
///
/// An event is written over one that the trail has already: a removal for each, and a new row for
/// the next, would make the store write twice as much. What is not written over is removed when
/// there is nothing else to do.
#[derive(Debug)]
pub struct Places {
    // No other process has the same, so that none writes to a place of ours.
    process: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Written, copied, and not taken again.
    free: Vec<Path>,
    /// Unknown content: the writer did not learn whether its write succeeded.
    doubtful: Vec<Path>,
    /// How many there have been.
    made: u64,
    lines: HashMap<Path, (Generation, Vec<u8>)>,
    bytes: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            process: hex::encode(random::public::<8>()),
            inner: Mutex::default(),
        }
    }
}

impl Places {
    /// A place that holds nothing the trail does not have.
    ///
    /// # Errors
    /// When its path cannot be formed.
    pub fn take(&self) -> Result<Slot<'_>, PathError> {
        let mut inner = self.inner.lock();
        let path = match inner.free.pop() {
            Some(path) => path,
            None => {
                let path = paths::outbox_place(&self.process, inner.made)?;
                inner.made += 1;
                path
            }
        };
        Ok(Slot {
            places: self,
            path,
            end: End::Unknown,
        })
    }

    /// The event that was kept for a path, no longer at hand after that.
    pub(super) fn line(&self, path: &Path) -> Option<(Generation, Vec<u8>)> {
        let mut inner = self.inner.lock();
        let (generation, line) = inner.lines.remove(path)?;
        inner.bytes -= line.len();
        Some((generation, line))
    }

    /// Reports places with unknown content.
    pub(super) fn doubt(&self, paths: &[Path]) {
        self.inner.lock().doubtful.extend_from_slice(paths);
    }

    /// Those with unknown content, which must be looked at.
    pub(super) fn doubtful(&self) -> Vec<Path> {
        std::mem::take(&mut self.inner.lock().doubtful)
    }

    /// Gives back a place whose event the trail has. False if it is not one of ours.
    pub(super) fn give_back(&self, path: &Path) -> bool {
        let ours = paths::is_outbox_place(path, &self.process);
        if ours {
            self.inner.lock().free.push(path.clone());
        }
        ours
    }

    /// All places with an event that the trail has, which are to be removed: nobody takes them any
    /// more.
    pub(super) fn give_up(&self) -> Vec<Path> {
        std::mem::take(&mut self.inner.lock().free)
    }
}

/// A slot in the outbox for one event. If it is dropped before it is known what happened to the event, it is
/// not used again until the relay has looked at it.
#[derive(Debug)]
pub struct Slot<'a> {
    places: &'a Places,
    path: Path,
    end: End,
}

#[derive(Debug)]
enum End {
    Unknown,
    Committed,
    Refused,
}

impl Slot<'_> {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the event at hand that is about to be committed, for the relay.
    pub fn keep(&self, generation: Generation, line: Vec<u8>) {
        let mut inner = self.places.inner.lock();
        if inner.bytes + line.len() <= MAX_AT_HAND {
            inner.bytes += line.len();
            let before = inner.lines.insert(self.path.clone(), (generation, line));
            inner.bytes -= before.map_or(0, |(_, line)| line.len());
        }
    }

    /// The event is in the store: the relay will copy it.
    pub fn committed(mut self) {
        self.end = End::Committed;
    }

    /// The store did not accept the event: the place is as free as before.
    pub fn refused(mut self) {
        self.end = End::Refused;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        match self.end {
            End::Committed => {}
            End::Refused => {
                self.places.line(&self.path);
                self.places.give_back(&self.path);
            }
            End::Unknown => {
                self.places.line(&self.path);
                self.places.doubt(std::slice::from_ref(&self.path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_again_only_when_it_was_given_back() {
        let places = Places::default();
        let path = |place: &Slot<'_>| place.path().clone();
        let first = path(&places.take().unwrap());
        let second = places.take().unwrap();
        assert_ne!(first, path(&second));
        assert!(places.give_back(&first));
        assert_eq!(path(&places.take().unwrap()), first);
        // The store refused it, so that nothing was written there.
        let place = path(&second);
        second.keep(Generation::random(), b"line".to_vec());
        second.refused();
        assert_eq!(places.line(&place), None);
        assert_eq!(path(&places.take().unwrap()), place);
        // The outcome is unknown.
        let lost = places.take().unwrap();
        let place = path(&lost);
        lost.keep(Generation::random(), b"line".to_vec());
        drop(lost);
        assert_eq!(places.line(&place), None);
        assert_ne!(path(&places.take().unwrap()), place);
        assert!(places.doubtful().contains(&place));
    }

    #[test]
    fn a_place_of_somebody_else_is_never_taken() {
        let (places, others) = (Places::default(), Places::default());
        let theirs = others.take().unwrap().path().clone();
        assert!(!places.give_back(&theirs));
        let by_time = Path::parse("outbox/1795425600000-1234").unwrap();
        assert!(!places.give_back(&by_time));
        assert!(places.give_up().is_empty());
    }

    #[test]
    fn what_is_given_up_is_not_taken_again() {
        let places = Places::default();
        let taken: Vec<Slot<'_>> = (0..3).map(|_| places.take().unwrap()).collect();
        let paths: Vec<Path> = taken.iter().map(|place| place.path().clone()).collect();
        for path in paths.iter().take(2) {
            places.give_back(path);
        }
        assert_eq!(places.give_up(), paths[..2]);
        assert!(places.give_up().is_empty());
        let next = places.take().unwrap();
        assert!(!paths.contains(next.path()));
    }

    #[test]
    fn no_more_is_kept_at_hand_than_there_is_room() {
        let places = Places::default();
        let taken: Vec<Slot<'_>> = (0..3).map(|_| places.take().unwrap()).collect();
        let paths: Vec<Path> = taken.iter().map(|place| place.path().clone()).collect();
        for place in taken {
            place.keep(Generation::random(), vec![0; MAX_AT_HAND / 2]);
            place.committed();
        }
        let kept: Vec<bool> = paths.iter().map(|p| places.line(p).is_some()).collect();
        assert_eq!(kept, [true, true, false]);
        assert_eq!(places.inner.lock().bytes, 0);
    }
}
