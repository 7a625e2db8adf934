//! How many connections there are, and whose. A connection is a stranger's until its client was authorized. Strangers
//! have a share of the places; when there is none left, one of them makes room for the next.
//!
//! While a volume is locked, nobody is asked. Its connections wait then, and can have all places that nobody else needs.
//! One of a client that was authorized before keeps its place, and each of the others makes room for whoever comes.

use std::{
    cmp::Reverse,
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
    /// All of them by their numbers.
    open: HashMap<u64, Open>,
    strangers: usize,
    by_client: HashMap<Client, OfClient>,
}

/// An open connection.
#[derive(Debug)]
struct Open {
    standing: Standing,
    /// What ends it when it is dropped, unless somebody was authorized.
    hold: Option<oneshot::Sender<()>>,
}

/// For whom a connection makes room. It only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// For the next stranger, since nobody has been authorized.
    Stranger,
    /// For whoever comes when all places are taken: its volume is locked, so that nobody is asked.
    Waiting,
    /// For more of its own address: its volume is locked, and clients of the address were authorized before.
    Known,
    /// For nobody.
    Authorized,
}

#[derive(Debug, Default)]
struct OfClient {
    all: usize,
    strangers: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
    known: BTreeSet<u64>,
}

impl OfClient {
    /// Those with a standing, if they make room for anybody.
    fn with(&mut self, standing: Standing) -> Option<&mut BTreeSet<u64>> {
        match standing {
            Standing::Stranger => Some(&mut self.strangers),
            Standing::Waiting => Some(&mut self.waiting),
            Standing::Known => Some(&mut self.known),
            Standing::Authorized => None,
        }
    }

    /// How many make room for other clients, and the oldest of them.
    fn replaceable(&self) -> Option<(usize, u64)> {
        let oldest = [self.strangers.first(), self.waiting.first()];
        let oldest = oldest.into_iter().flatten().min()?;
        Some((self.strangers.len() + self.waiting.len(), *oldest))
    }
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
pub(crate) struct ConnectionSlot {
    number: u64,
    client: Client,
    taken: Arc<Mutex<Taken>>,
}

/// Resolves, with an error, when the place was given to somebody else; never once the connection is not a
/// stranger's.
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

    /// A place for a connection from an address, if there is one or another connection can make room. It is known if
    /// its volume is locked, and clients of the address were authorized before.
    pub(crate) fn take(
        &self,
        address: IpAddr,
        is_known: bool,
    ) -> Option<(ConnectionSlot, Displaced)> {
        let client = Client::of(address);
        let standing = if is_known {
            Standing::Known
        } else {
            Standing::Stranger
        };
        let mut taken = self.taken.lock();
        if !taken.make_room_of(client, &self.limits) || !taken.make_room(standing, &self.limits) {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let (hold, displaced) = oneshot::channel();
        let hold = Some(hold);
        taken.open.insert(number, Open { standing, hold });
        taken.strangers += usize::from(standing == Standing::Stranger);
        let of_client = taken.by_client.entry(client).or_default();
        of_client.all += 1;
        of_client
            .with(standing)
            .map(|numbers| numbers.insert(number));
        drop(taken);
        let place = ConnectionSlot {
            number,
            client,
            taken: Arc::clone(&self.taken),
        };
        Some((place, Displaced(Some(displaced))))
    }
}

impl Taken {
    /// Whether there is room for another connection of a client, if need be in the place of its oldest that makes room.
    fn make_room_of(&mut self, client: Client, limits: &Limits) -> bool {
        let Some(of_client) = self.by_client.get(&client) else {
            return true;
        };
        if of_client.all < limits.per_client {
            return true;
        }
        let replaceable = of_client.replaceable().map(|(_, oldest)| oldest);
        let Some(oldest) = replaceable.or_else(|| of_client.known.first().copied()) else {
            return false;
        };
        self.leave(client, oldest);
        true
    }

    /// Whether there is room for a connection of this standing, if need be in the place of another.
    fn make_room(&mut self, standing: Standing, limits: &Limits) -> bool {
        if standing == Standing::Stranger && self.strangers >= limits.strangers {
            let strangers = |of: &OfClient| Some((of.strangers.len(), *of.strangers.first()?));
            return self.displace(strangers);
        }
        self.open.len() < limits.connections || self.displace(OfClient::replaceable)
    }

    /// Ends the oldest of the one who has most; among clients with as many, the oldest of all.
    fn displace(&mut self, number_and_oldest: impl Fn(&OfClient) -> Option<(usize, u64)>) -> bool {
        let clients = self.by_client.iter();
        let oldest = clients.filter_map(|(client, of_client)| {
            let (number, oldest) = number_and_oldest(of_client)?;
            Some((number, Reverse(oldest), *client))
        });
        let found = oldest.max_by_key(|(number, oldest, _)| (*number, *oldest));
        let Some((_, Reverse(oldest), client)) = found else {
            return false;
        };
        self.leave(client, oldest);
        true
    }

    /// The connection has at least this standing now.
    fn raise(&mut self, client: Client, number: u64, to: Standing) {
        let Some(open) = self.open.get_mut(&number) else {
            return;
        };
        if to <= open.standing {
            return;
        }
        let from = std::mem::replace(&mut open.standing, to);
        if to == Standing::Authorized
            && let Some(hold) = open.hold.take()
        {
            // It need not be there any more.
            let _ = hold.send(());
        }
        let was_stranger = usize::from(from == Standing::Stranger);
        self.strangers = self.strangers.saturating_sub(was_stranger);
        if let Some(of_client) = self.by_client.get_mut(&client) {
            of_client.with(from).map(|numbers| numbers.remove(&number));
            of_client.with(to).map(|numbers| numbers.insert(number));
        }
    }

    /// The connection gives its place back, or loses it. Only the first time counts.
    fn leave(&mut self, client: Client, number: u64) {
        let Some(Open { standing, .. }) = self.open.remove(&number) else {
            return;
        };
        let was_stranger = usize::from(standing == Standing::Stranger);
        self.strangers = self.strangers.saturating_sub(was_stranger);
        if let Some(of_client) = self.by_client.get_mut(&client) {
            let numbers = of_client.with(standing);
            numbers.map(|numbers| numbers.remove(&number));
            of_client.all = of_client.all.saturating_sub(1);
            if of_client.all == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}

impl ConnectionSlot {
    /// The client was authorized.
    pub(crate) fn settle(&self) {
        self.raise(Standing::Authorized);
    }

    /// The volume is locked, so that nobody is asked about the client. It is known if clients of its address were
    /// authorized before.
    pub(crate) fn wait(&self, is_known: bool) {
        self.raise(if is_known {
            Standing::Known
        } else {
            Standing::Waiting
        });
    }

    fn raise(&self, to: Standing) {
        self.taken.lock().raise(self.client, self.number, to);
    }
}

impl Drop for ConnectionSlot {
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

    type Taker = (ConnectionSlot, Displaced);

    fn is_displaced((_, displaced): &mut Taker) -> bool {
        let hold = displaced.0.as_mut().unwrap();
        hold.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    fn take(places: &Places, address: &str) -> Option<Taker> {
        places.take(address.parse().unwrap(), false)
    }

    fn take_known(places: &Places, address: &str) -> Option<Taker> {
        places.take(address.parse().unwrap(), true)
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
                let taken = places.take(IpAddr::from([192, 0, 2, last]), false).unwrap();
                taken.0.settle();
                taken
            })
            .collect();
        assert!(take(&places, "192.0.2.9").is_none());
        for (_, displaced) in &mut known {
            assert_eq!(displaced.0.as_mut().unwrap().try_recv(), Ok(()));
        }
    }

    /// As many as there are places, which wait: three of the first address, two of the second.
    fn all_waiting(places: &Places) -> Vec<Taker> {
        let addresses = [
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.2",
        ];
        let taken = addresses.map(|address| {
            let taken = take(places, address).unwrap();
            taken.0.wait(false);
            taken
        });
        assert_eq!(places.taken.lock().strangers, 0);
        taken.into()
    }

    #[test]
    fn whoever_comes_displaces_the_oldest_that_waits_of_whoever_has_most() {
        let places = places();
        let mut waiting = all_waiting(&places);
        let next = take(&places, "192.0.2.3").unwrap();
        assert!(is_displaced(&mut waiting[0]));
        next.0.wait(false);
        // Those of before have as many now, and the oldest of all is the first's.
        let mut third = take(&places, "192.0.2.4").unwrap();
        assert!(is_displaced(&mut waiting[1]));
        assert!(!waiting[2..].iter_mut().any(is_displaced) && !is_displaced(&mut third));
    }

    #[test]
    fn whoever_waits_takes_no_share_of_strangers() {
        let places = Places::new(Limits {
            connections: 8,
            ..places().limits
        });
        let mut waiting = all_waiting(&places);
        let mut strangers: Vec<_> = (0..3)
            .map(|_| take(&places, "192.0.2.3").unwrap())
            .collect();
        assert!(!waiting.iter_mut().chain(&mut strangers).any(is_displaced));
    }

    #[test]
    fn whoever_is_known_displaces_others_and_only_its_own_displace_it() {
        let places = places();
        let mut waiting = all_waiting(&places);
        let mut known: Vec<_> = (0..3)
            .map(|_| take_known(&places, "192.0.2.3").unwrap())
            .collect();
        assert_eq!(
            waiting
                .iter_mut()
                .filter_map(|taker| is_displaced(taker).then_some(()))
                .count(),
            3
        );
        let _strangers: Vec<_> = (4..40_u8)
            .map(|last| places.take(IpAddr::from([192, 0, 2, last]), false).unwrap())
            .collect();
        assert!(waiting.iter_mut().all(is_displaced) && !known.iter_mut().any(is_displaced));
        let mut more = take_known(&places, "192.0.2.3").unwrap();
        assert!(is_displaced(&mut known[0]));
        // One that was authorized is not displaced by its own either.
        known[1].0.settle();
        let _last = take_known(&places, "192.0.2.3").unwrap();
        assert_eq!(known[1].1.0.as_mut().unwrap().try_recv(), Ok(()));
        assert!(is_displaced(&mut known[2]) && !is_displaced(&mut more));
    }

    #[test]
    fn whoever_is_known_needs_no_share_of_strangers() {
        let places = places();
        let mut strangers: Vec<_> = (1..=4_u8)
            .map(|last| places.take(IpAddr::from([192, 0, 2, last]), false).unwrap())
            .collect();
        let mut known = take_known(&places, "192.0.2.9").unwrap();
        assert!(!strangers.iter_mut().any(is_displaced));
        let _next = take_known(&places, "192.0.2.8").unwrap();
        assert!(is_displaced(&mut strangers[0]) && !is_displaced(&mut known));
    }

    #[test]
    fn a_standing_only_rises() {
        let places = places();
        let (place, mut displaced) = take(&places, "192.0.2.1").unwrap();
        place.settle();
        place.wait(true);
        place.wait(false);
        assert_eq!(displaced.0.as_mut().unwrap().try_recv(), Ok(()));
        let known = take_known(&places, "192.0.2.1").unwrap();
        known.0.wait(false);
        let of_client = &places.taken.lock().by_client[&place.client];
        assert_eq!((of_client.known.len(), of_client.waiting.len()), (1, 0));
    }
}
