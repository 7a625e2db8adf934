//! How many views there are on this machine, and of which volumes. Each volume has a share, so that the clients of one
//! cannot use up what others need; and a view that nobody uses makes room for the next.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::{error::Error, view::View};

/// The views of all volumes.
#[derive(Debug)]
pub(crate) struct Rooms {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    rooms: Vec<Of>,
}

#[derive(Debug)]
struct Of {
    number: u64,
    volume: String,
    view: Weak<View>,
}

/// The room of a view; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Room {
    number: u64,
    rooms: Arc<Rooms>,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.rooms.taken.lock();
        taken.rooms.retain(|of| of.number != self.number);
    }
}

impl Room {
    /// What [`Rooms::occupy`] is told.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// What there is for a view that is wanted.
enum Found {
    Room(Room),
    /// This one has ended for it, or is about to.
    InPlaceOf(Arc<View>),
}

impl Rooms {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: Mutex::default(),
        }
    }

    /// The most views of one volume: half of all.
    fn share(&self) -> usize {
        (self.limit / 2).max(1)
    }

    /// Room for a view of a volume. If there is none, the view ends that nobody has used for the longest time.
    pub(crate) async fn take(self: &Arc<Self>, volume: &str) -> Result<Room, Error> {
        loop {
            match self.find(volume)? {
                Found::Room(room) => return Ok(room),
                Found::InPlaceOf(view) => {
                    tracing::info!(volume, "an unused nfs-ganesha makes room for another");
                    if !view.stop().await {
                        return Err(Error::StillRunning {
                            volume: volume.to_owned(),
                        });
                    }
                }
            }
        }
    }

    fn find(self: &Arc<Self>, volume: &str) -> Result<Found, Error> {
        let mut taken = self.taken.lock();
        let of_volume = taken.rooms.iter().filter(|of| of.volume == volume).count();
        let has_share = of_volume < self.share();
        if has_share && taken.rooms.len() < self.limit {
            let number = taken.next;
            taken.next += 1;
            taken.rooms.push(Of {
                number,
                volume: volume.to_owned(),
                view: Weak::new(),
            });
            return Ok(Found::Room(Room {
                number,
                rooms: Arc::clone(self),
            }));
        }
        let mut unused: Vec<_> = taken
            .rooms
            .iter()
            .filter(|of| has_share || of.volume == volume)
            .filter_map(|of| of.view.upgrade())
            .filter_map(|view| Some((view.unused_for()?, view)))
            .collect();
        unused.sort_by_key(|(unused, _)| *unused);
        // Somebody may have begun to use it.
        let view = unused
            .into_iter()
            .rev()
            .map(|(_, view)| view)
            .find(|view| view.retire());
        match view {
            Some(view) => Ok(Found::InPlaceOf(view)),
            None if has_share => Err(Error::TooManyViews { limit: self.limit }),
            None => Err(Error::TooManyViewsOfVolume {
                limit: self.share(),
            }),
        }
    }

    /// The view that has a room.
    pub(crate) fn occupy(&self, number: u64, view: &Arc<View>) {
        let mut taken = self.taken.lock();
        if let Some(of) = taken.rooms.iter_mut().find(|of| of.number == number) {
            of.view = Arc::downgrade(view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_volume_has_half_of_the_rooms() {
        let rooms = Arc::new(Rooms::new(6));
        let mut own = Vec::new();
        for _ in 0..3 {
            own.push(rooms.take("fs-1").await.unwrap());
        }
        let said = |taken: Result<Room, Error>| taken.unwrap_err().to_string();
        assert_eq!(
            said(rooms.take("fs-1").await),
            "3 views of this volume are served already, which is its share on this machine"
        );
        let mut others = Vec::new();
        for volume in ["fs-2", "fs-2", "fs-3"] {
            others.push(rooms.take(volume).await.unwrap());
        }
        assert_eq!(
            said(rooms.take("fs-3").await),
            "6 views are served already, which is the limit on this machine"
        );
        own.clear();
        assert!(rooms.take("fs-1").await.is_ok());
    }
}
