//! The open connections. A connection belongs to a stranger until a request on it has been
//! authenticated. Strangers have a share of all connections; when the share is full, one of them
//! makes room for the next.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use keyward_engine::request::Proof;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// How many connections there may be, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Connections in all.
    pub all: usize,
    /// Those on which nobody has been authenticated yet.
    pub strangers: usize,
    /// Those from one address or, with IPv6, from one /64 network.
    pub per_address: usize,
}

/// The open connections. The lock is taken when a connection is accepted, first authenticated and
/// closed, and never by other requests.
#[derive(Clone, Debug)]
pub struct Peers {
    places: Places,
    open: Arc<Mutex<Open>>,
}

/// How many connections are open, and what has happened to connections since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Open connections of strangers.
    pub strangers: usize,
    /// Open connections on which a caller was authenticated.
    pub known: usize,
    /// Strangers that had to make room for others.
    pub displaced: u64,
    /// Connections that were refused because there was no room.
    pub refused: u64,
}

/// Addresses that count as one. Whoever has one IPv6 address usually has its whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Origin {
    V4([u8; 4]),
    V6([u16; 4]),
    /// A proxy that has not yet named its client.
    Proxy,
}

impl Origin {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Connection>,
    /// The numbers of the strangers' connections, so that the oldest comes first.
    strangers: BTreeSet<u64>,
    by_origin: HashMap<Origin, FromOrigin>,
    /// Every origin that has strangers, with their number.
    crowds: BTreeSet<(usize, Origin)>,
    displaced: u64,
    refused: u64,
}

#[derive(Debug)]
struct Connection {
    origin: Origin,
    proof: Proof,
    /// Dropping it ends the connection.
    _hold: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct FromOrigin {
    all: usize,
    strangers: BTreeSet<u64>,
}

/// A connection's place among the open ones; dropping it gives the place back.
#[derive(Debug)]
pub struct Admitted {
    number: u64,
    proof: Proof,
    peers: Peers,
}

/// Resolves when the place is given to somebody else.
pub type Displaced = oneshot::Receiver<()>;

impl Peers {
    /// No connections yet.
    pub fn new(places: Places) -> Self {
        let open = Arc::default();
        Self { places, open }
    }

    /// A place for a connection from an address, if there is one or a stranger can make room.
    pub fn admit(&self, address: IpAddr) -> Option<(Admitted, Displaced)> {
        self.admit_origin(Origin::of(address))
    }

    /// A place for a connection from a proxy, which will name its client.
    pub fn admit_proxy(&self) -> Option<(Admitted, Displaced)> {
        self.admit_origin(Origin::Proxy)
    }

    fn admit_origin(&self, origin: Origin) -> Option<(Admitted, Displaced)> {
        let mut open = self.open();
        if !open.make_room_at(origin, &self.places) || !open.make_room(&self.places) {
            open.refused += 1;
            return None;
        }
        let number = open.next;
        open.next += 1;
        let (hold, displaced) = oneshot::channel();
        let proof = Proof::default();
        let connection = Connection {
            origin,
            proof: proof.clone(),
            _hold: hold,
        };
        open.enter(number, connection);
        let peers = self.clone();
        let place = Admitted {
            number,
            proof,
            peers,
        };
        Some((place, displaced))
    }

    /// How many are open, and what has happened to others.
    pub fn tally(&self) -> Tally {
        let open = self.open();
        Tally {
            strangers: open.strangers.len(),
            known: open.known(),
            displaced: open.displaced,
            refused: open.refused,
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock()
    }
}

impl Admitted {
    /// Where the front notes that a caller was authenticated.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// If a caller was authenticated, the connection is no stranger's from now on.
    pub fn settle(&self) {
        if self.proof.is_proven() {
            self.peers.open().settle(self.number);
        }
    }

    /// Counts the connection for the client that a proxy named, and answers whether that client
    /// gets a place.
    pub fn attribute(&self, address: IpAddr) -> bool {
        let origin = Origin::of(address);
        let mut open = self.peers.open();
        // If it is not there, it has been displaced in the meantime.
        let Some(mut connection) = open.leave(self.number) else {
            return false;
        };
        if !open.make_room_at(origin, &self.peers.places) {
            open.refused += 1;
            return false;
        }
        connection.origin = origin;
        open.enter(self.number, connection);
        true
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.peers.open().leave(self.number);
    }
}

impl Open {
    fn known(&self) -> usize {
        self.connections.len().saturating_sub(self.strangers.len())
    }

    fn enter(&mut self, number: u64, connection: Connection) {
        let origin = connection.origin;
        self.by_origin.entry(origin).or_default().all += 1;
        self.crowd(origin, |strangers| strangers.insert(number));
        self.strangers.insert(number);
        self.connections.insert(number, connection);
    }

    fn leave(&mut self, number: u64) -> Option<Connection> {
        let connection = self.connections.remove(&number)?;
        let origin = connection.origin;
        self.settle_origin(number, origin);
        if let Some(from) = self.by_origin.get_mut(&origin) {
            from.all = from.all.saturating_sub(1);
            if from.all == 0 {
                self.by_origin.remove(&origin);
            }
        }
        Some(connection)
    }

    /// Counts a connection no longer among the strangers.
    fn settle(&mut self, number: u64) {
        if let Some(connection) = self.connections.get(&number) {
            self.settle_origin(number, connection.origin);
        }
    }

    fn settle_origin(&mut self, number: u64, origin: Origin) {
        if self.strangers.remove(&number) {
            self.crowd(origin, |strangers| strangers.remove(&number));
        }
    }

    /// Changes the strangers of an origin, and with them its rank among the crowds.
    fn crowd(&mut self, origin: Origin, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let Some(from) = self.by_origin.get_mut(&origin) else {
            return;
        };
        self.crowds.remove(&(from.strangers.len(), origin));
        change(&mut from.strangers);
        if !from.strangers.is_empty() {
            self.crowds.insert((from.strangers.len(), origin));
        }
    }

    /// Whether there is room for another connection of an origin, if need be by displacing its
    /// oldest stranger.
    fn make_room_at(&mut self, origin: Origin, places: &Places) -> bool {
        loop {
            let Some(from) = self.by_origin.get(&origin) else {
                return true;
            };
            if origin == Origin::Proxy || from.all < places.per_address {
                return true;
            }
            let Some(longest) = from.strangers.first().copied() else {
                return false;
            };
            self.displace(longest);
        }
    }

    /// Whether there is room for a stranger, if need be by displacing another one.
    fn make_room(&mut self, places: &Places) -> bool {
        while self.strangers.len() >= places.strangers || self.connections.len() >= places.all {
            let Some(longest) = self.longest_of_largest_crowd() else {
                return false;
            };
            self.displace(longest);
        }
        true
    }

    /// The oldest stranger of the origin that has most of them. If no origin has more than one, the
    /// oldest of all.
    fn longest_of_largest_crowd(&self) -> Option<u64> {
        match self.crowds.last()? {
            (0 | 1, _) => self.strangers.first().copied(),
            (_, origin) => self.by_origin.get(origin)?.strangers.first().copied(),
        }
    }

    /// Ends a stranger's connection, unless it has been authenticated in the meantime.
    fn displace(&mut self, number: u64) {
        let proven = self.connections.get(&number);
        if proven.is_some_and(|connection| connection.proof.is_proven()) {
            self.settle(number);
        } else {
            self.leave(number);
            self.displaced += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn peers(all: usize, strangers: usize, per_address: usize) -> Peers {
        Peers::new(Places {
            all,
            strangers,
            per_address,
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_displaced(displaced: &mut Displaced) -> bool {
        displaced.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    fn prove(place: &Admitted) {
        place.proof().note(NonZeroU64::MIN);
        place.settle();
    }

    #[test]
    fn a_place_is_given_back_when_the_connection_ends() {
        let peers = peers(3, 3, 2);
        let first = peers.admit(ip("10.0.0.1")).unwrap();
        let second = peers.admit(ip("10.0.0.1")).unwrap();
        prove(&first.0);
        prove(&second.0);
        let full = peers.admit(ip("10.0.0.1"));
        assert!(full.is_none(), "two from one address are the most");
        let third = peers.admit(ip("10.0.0.2")).unwrap();
        prove(&third.0);
        let full = peers.admit(ip("10.0.0.3"));
        assert!(full.is_none(), "three in all are the most");
        drop(first);
        assert!(peers.admit(ip("10.0.0.3")).is_some());
        drop((second, third));
        let open = peers.open();
        assert!(open.connections.is_empty() && open.strangers.is_empty());
        assert!(open.by_origin.is_empty() && open.crowds.is_empty());
    }

    #[test]
    fn the_longest_waiting_stranger_makes_room() {
        let peers = peers(10, 2, 10);
        let (_first, mut first) = peers.admit(ip("10.0.0.1")).unwrap();
        let (_second, mut second) = peers.admit(ip("10.0.0.2")).unwrap();
        let (_third, mut third) = peers.admit(ip("10.0.0.3")).unwrap();
        assert!(is_displaced(&mut first));
        assert!(!is_displaced(&mut second) && !is_displaced(&mut third));
        let tally = peers.tally();
        assert_eq!((tally.strangers, tally.displaced), (2, 1));
    }

    #[test]
    fn whoever_comes_in_crowds_makes_room_first() {
        let peers = peers(10, 4, 10);
        let (_alone, mut alone) = peers.admit(ip("10.0.0.1")).unwrap();
        let mut crowd: Vec<_> = (0..9).filter_map(|_| peers.admit(ip("10.0.0.2"))).collect();
        assert_eq!(crowd.len(), 9, "each displaced one of its own");
        assert!(!is_displaced(&mut alone));
        assert!(is_displaced(&mut crowd[5].1) && !is_displaced(&mut crowd[6].1));
    }

    #[test]
    fn a_client_that_has_proven_itself_keeps_its_place() {
        let peers = peers(4, 2, 10);
        let (client, mut kept) = peers.admit(ip("10.0.0.1")).unwrap();
        // Noted by the front, and not yet seen here.
        client.proof().note(NonZeroU64::MIN);
        let crowd: Vec<_> = (0..9).filter_map(|_| peers.admit(ip("10.0.0.1"))).collect();
        assert!(!is_displaced(&mut kept));
        let tally = peers.tally();
        assert_eq!((tally.known, tally.strangers), (1, 2));
        drop((client, crowd));
        let tally = peers.tally();
        assert_eq!((tally.known, tally.strangers), (0, 0));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let peers = peers(10, 10, 1);
        let (_first, mut first) = peers.admit(ip("2001:db8:0:1::1")).unwrap();
        let (_other, mut other) = peers.admit(ip("2001:db8:0:2::1")).unwrap();
        assert!(!is_displaced(&mut first));
        let (_again, _) = peers.admit(ip("2001:db8:0:1:ffff::2")).unwrap();
        assert!(is_displaced(&mut first) && !is_displaced(&mut other));
        let (_mapped, mut mapped) = peers.admit(ip("::ffff:10.0.0.1")).unwrap();
        let (_plain, _) = peers.admit(ip("10.0.0.1")).unwrap();
        assert!(is_displaced(&mut mapped));
    }

    #[test]
    fn behind_a_proxy_the_client_is_counted() {
        let peers = peers(10, 10, 2);
        let mut behind = Vec::new();
        for _ in 0..4 {
            behind.push(peers.admit_proxy().unwrap());
        }
        for (place, _) in &behind {
            assert!(place.attribute(ip("203.0.113.7")));
        }
        assert!(is_displaced(&mut behind[0].1) && is_displaced(&mut behind[1].1));
        assert!(!is_displaced(&mut behind[2].1) && !is_displaced(&mut behind[3].1));
        assert!(!behind[0].0.attribute(ip("203.0.113.8")), "it is gone");
        prove(&behind[2].0);
        prove(&behind[3].0);
        let (late, mut displaced) = peers.admit_proxy().unwrap();
        assert!(!late.attribute(ip("203.0.113.7")), "both are kept");
        assert!(is_displaced(&mut displaced));
    }
}
