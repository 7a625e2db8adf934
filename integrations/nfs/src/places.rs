//! How many connections there are, and whose. A connection is a stranger's until its client was authorized. Strangers
//! have a share of the places; when there is none left, one of them makes room for the next.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::options::Limits;

/// The open connections.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The number of the next connection. The oldest has the lowest.
    next: u64,
    /// All of them by their numbers, with what ends a stranger's when it is dropped.
    open: HashMap<u64, Option<oneshot::Sender<()>>>,
    strangers: usize,
    by_client: HashMap<Client, OfClient>,
}

#[derive(Debug, Default)]
struct OfClient {
    all: usize,
    strangers: BTreeSet<u64>,
}

/// Addresses that count as one. Whoever has one IPv6 address usually has its whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl Client {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// The place of a connection; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    client: Client,
    taken: Arc<Mutex<Taken>>,
}

/// Resolves, with an error, when the place was given to somebody else; never once the connection is no stranger's.
#[derive(Debug, Default)]
pub(crate) struct Displaced(Option<oneshot::Receiver<()>>);

impl Displaced {
    /// Resolves when the connection must end.
    pub(crate) async fn wait(&mut self) {
        if let Some(receiver) = &mut self.0
            && receiver.await.is_err()
        {
            return;
        }
        self.0 = None;
        std::future::pending().await
    }
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from an address, if there is one or a stranger can make room.
    pub(crate) fn take(&self, address: IpAddr) -> Option<(Place, Displaced)> {
        let client = Client::of(address);
        let mut taken = self.taken.lock();
        if !taken.make_room_of(client, &self.limits) || !taken.make_room(&self.limits) {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let (hold, displaced) = oneshot::channel();
        taken.open.insert(number, Some(hold));
        taken.strangers += 1;
        let of_client = taken.by_client.entry(client).or_default();
        of_client.all += 1;
        of_client.strangers.insert(number);
        drop(taken);
        let place = Place {
            number,
            client,
            taken: Arc::clone(&self.taken),
        };
        Some((place, Displaced(Some(displaced))))
    }
}

impl Taken {
    /// Whether there is room for another connection of a client, if need be in the place of its oldest stranger.
    fn make_room_of(&mut self, client: Client, limits: &Limits) -> bool {
        let Some(of_client) = self.by_client.get(&client) else {
            return true;
        };
        if of_client.all < limits.per_client {
            return true;
        }
        let Some(oldest) = of_client.strangers.first().copied() else {
            return false;
        };
        self.leave(client, oldest);
        true
    }

    /// Whether there is room for a stranger, if need be in the place of another.
    fn make_room(&mut self, limits: &Limits) -> bool {
        if self.strangers < limits.strangers && self.open.len() < limits.connections {
            return true;
        }
        // The oldest of whoever has most; among clients with as many, the oldest of all.
        let clients = self.by_client.iter();
        let oldest = clients.filter_map(|(client, of_client)| {
            let oldest = of_client.strangers.first()?;
            Some((
                of_client.strangers.len(),
                std::cmp::Reverse(*oldest),
                *client,
            ))
        });
        let found = oldest.max_by_key(|(number, oldest, _)| (*number, *oldest));
        let Some((_, std::cmp::Reverse(oldest), client)) = found else {
            return false;
        };
        self.leave(client, oldest);
        true
    }

    /// The connection is no stranger's any more.
    fn settle(&mut self, client: Client, number: u64) {
        let hold = self.open.get_mut(&number).and_then(Option::take);
        if let Some(hold) = hold {
            self.strangers = self.strangers.saturating_sub(1);
            if let Some(of_client) = self.by_client.get_mut(&client) {
                of_client.strangers.remove(&number);
            }
            // It need not be there any more.
            let _ = hold.send(());
        }
    }

    /// The connection gives its place back, or loses it. Only the first time counts.
    fn leave(&mut self, client: Client, number: u64) {
        let Some(hold) = self.open.remove(&number) else {
            return;
        };
        self.strangers = self.strangers.saturating_sub(usize::from(hold.is_some()));
        if let Some(of_client) = self.by_client.get_mut(&client) {
            of_client.strangers.remove(&number);
            of_client.all = of_client.all.saturating_sub(1);
            if of_client.all == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}

impl Place {
    /// The connection is no stranger's any more.
    pub(crate) fn settle(&self) {
        self.taken.lock().settle(self.client, self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.lock().leave(self.client, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::new(Limits {
            connections: 5,
            per_client: 3,
            strangers: 4,
            ..Limits::default()
        })
    }

    type Taker = (Place, Displaced);

    fn is_displaced((_, displaced): &mut Taker) -> bool {
        let hold = displaced.0.as_mut().unwrap();
        hold.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    fn take(places: &Places, address: &str) -> Option<Taker> {
        places.take(address.parse().unwrap())
    }

    #[test]
    fn a_client_has_a_share_of_the_places() {
        let places = places();
        let taken: Vec<_> = (0..3)
            .map(|_| take(&places, "192.0.2.1").unwrap())
            .collect();
        for (place, _) in &taken {
            place.settle();
        }
        assert!(take(&places, "192.0.2.1").is_none());
        assert!(take(&places, "::ffff:192.0.2.1").is_none());
        assert!(take(&places, "2001:db8::1").is_some());
        drop(taken);
        assert!(take(&places, "192.0.2.1").is_some());
        let open = places.taken.lock();
        assert!(open.open.is_empty() && open.by_client.is_empty() && open.strangers == 0);
    }

    #[test]
    fn a_client_without_a_place_displaces_the_oldest_stranger_of_its_own() {
        let places = places();
        let mut other = take(&places, "192.0.2.2").unwrap();
        let mut own: Vec<_> = (0..3)
            .map(|_| take(&places, "2001:db8::1").unwrap())
            .collect();
        own[0].0.settle();
        let _fourth = take(&places, "2001:db8::ffff").unwrap();
        assert!(is_displaced(&mut own[1]));
        assert!(!is_displaced(&mut own[2]) && !is_displaced(&mut other));
    }

    #[test]
    fn the_oldest_stranger_of_whoever_has_most_makes_room() {
        let places = places();
        let mut alone = take(&places, "192.0.2.1").unwrap();
        let mut crowd: Vec<_> = (0..3)
            .map(|_| take(&places, "192.0.2.2").unwrap())
            .collect();
        let mut next = take(&places, "192.0.2.3").unwrap();
        assert!(is_displaced(&mut crowd[0]));
        assert!(!is_displaced(&mut crowd[1]) && !is_displaced(&mut crowd[2]));
        assert!(!is_displaced(&mut alone) && !is_displaced(&mut next));
        let _more = take(&places, "192.0.2.4").unwrap();
        // All have as many now.
        let _last = take(&places, "192.0.2.5").unwrap();
        assert!(is_displaced(&mut alone) && !is_displaced(&mut next));
        drop(crowd);
        assert_eq!(places.taken.lock().strangers, 3);
    }

    #[test]
    fn whoever_was_authorized_keeps_its_place() {
        let places = places();
        let mut known: Vec<_> = (1..=5_u8)
            .map(|last| {
                let taken = places.take(IpAddr::from([192, 0, 2, last])).unwrap();
                taken.0.settle();
                taken
            })
            .collect();
        assert!(take(&places, "192.0.2.9").is_none());
        for (_, displaced) in &mut known {
            assert_eq!(displaced.0.as_mut().unwrap().try_recv(), Ok(()));
        }
    }
}
