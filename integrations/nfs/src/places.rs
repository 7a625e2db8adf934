//! How many connections there are, and whose.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use crate::options::Limits;

/// The open connections.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    strangers: usize,
    by_client: HashMap<Client, usize>,
}

/// Addresses that count as one. Whoever has one IPv6 address usually has its whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl Client {
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

/// The place of a connection; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    client: Client,
    is_stranger: bool,
    taken: Arc<Mutex<Taken>>,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from an address, if there is one.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let client = Client::of(address);
        let mut taken = self.taken.lock();
        let of_client = taken.by_client.get(&client).copied().unwrap_or_default();
        let is_full = taken.all >= self.limits.connections
            || taken.strangers >= self.limits.strangers
            || of_client >= self.limits.per_client;
        if is_full {
            return None;
        }
        taken.all += 1;
        taken.strangers += 1;
        taken.by_client.insert(client, of_client + 1);
        Some(Place {
            client,
            is_stranger: true,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Place {
    /// The connection is no stranger's any more.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.is_stranger) {
            let mut taken = self.taken.lock();
            taken.strangers = taken.strangers.saturating_sub(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settle();
        let mut taken = self.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken
            .by_client
            .get(&self.client)
            .map_or(0, |number| number.saturating_sub(1));
        if left == 0 {
            taken.by_client.remove(&self.client);
        } else {
            taken.by_client.insert(self.client, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::new(Limits {
            connections: 4,
            per_client: 2,
            strangers: 3,
            ..Limits::default()
        })
    }

    #[test]
    fn a_client_has_a_share_of_the_places() {
        let places = places();
        let take = |address: &str| places.take(address.parse().unwrap());
        let first = take("192.0.2.1").unwrap();
        let _second = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none());
        assert!(take("::ffff:192.0.2.1").is_none());
        drop(first);
        assert!(take("192.0.2.1").is_some());
        let _sixth = take("2001:db8::1").unwrap();
        drop(take("2001:db8::ffff").unwrap());
    }

    #[test]
    fn strangers_have_a_share_of_the_places() {
        let places = places();
        let take = |last: u8| places.take(IpAddr::from([192, 0, 2, last]));
        let mut taken: Vec<_> = (1..=3).map(|last| take(last).unwrap()).collect();
        assert!(take(4).is_none());
        taken[0].settle();
        let fourth = take(4).unwrap();
        // Now all places are taken.
        for place in &mut taken {
            place.settle();
        }
        assert!(take(5).is_none());
        drop(fourth);
        assert!(take(5).is_some());
        drop(taken);
        assert_eq!(places.taken.lock().all, 0);
        assert_eq!(places.taken.lock().strangers, 0);
        assert!(places.taken.lock().by_client.is_empty());
    }
}
