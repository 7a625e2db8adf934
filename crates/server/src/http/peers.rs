//! How many connections are open, in all and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts open connections. The lock is taken at accept and at close, never by a request.
#[derive(Clone, Debug)]
pub struct Peers {
    most: usize,
    most_per_address: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    open: Arc<Mutex<Open>>,
    address: IpAddr,
}

impl Peers {
    /// At most `most` connections, and `most_per_address` from one address.
    pub fn new(most: usize, most_per_address: usize) -> Self {
        Self {
            most,
            most_per_address,
            open: Arc::default(),
        }
    }

    /// A place for a connection from an address, if there is one.
    pub fn admit(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_address = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.most || from_address >= self.most_per_address {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, from_address + 1);
        Some(Place {
            open: Arc::clone(&self.open),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_the_connection_ends() {
        let peers = Peers::new(3, 2);
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = peers.admit(a).unwrap();
        let _second = peers.admit(a).unwrap();
        assert!(
            peers.admit(a).is_none(),
            "two from one address are the most"
        );
        let _third = peers.admit(b).unwrap();
        assert!(peers.admit(b).is_none(), "three in all are the most");
        drop(first);
        assert!(peers.admit(b).is_some());
    }
}
