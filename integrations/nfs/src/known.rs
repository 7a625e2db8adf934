//! From where clients of a volume were authorized. Nobody is asked while it is locked, so that this tells who comes back
//! from strangers.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::places::Client;

/// How long before a lock somebody was authorized who is known while it lasts, however long that is.
const BEFORE: Duration = Duration::from_hours(24);
/// The most addresses: as many as there are connections by default.
const MAX_KNOWN: usize = 1024;

/// The addresses, and when somebody was authorized for the last time.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<Client, Instant>>);

impl Known {
    /// Somebody was authorized. If there are too many, the one is forgotten that was authorized the longest time ago.
    pub(crate) fn note(&self, address: IpAddr, now: Instant) {
        let client = Client::of(address);
        let mut known = self.0.lock();
        if known.len() >= MAX_KNOWN && !known.contains_key(&client) {
            let oldest = known.iter().min_by_key(|(_, authorized)| **authorized);
            if let Some(oldest) = oldest.map(|(client, _)| *client) {
                known.remove(&oldest);
            }
        }
        known.insert(client, now);
    }

    /// The volume is being locked.
    pub(crate) fn lock(&self, now: Instant) {
        let is_recent = |authorized: Instant| now.saturating_duration_since(authorized) <= BEFORE;
        self.0.lock().retain(|_, authorized| is_recent(*authorized));
    }

    /// Whether somebody was authorized from there.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.0.lock().contains_key(&Client::of(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_known_that_somebody_was_authorized_from_in_the_day_before_the_lock() {
        let [old, recent, other] =
            ["192.0.2.1", "2001:db8::1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let (known, begin) = (Known::default(), Instant::now());
        let second = Duration::from_secs(1);
        known.note(old, begin);
        known.note(recent, begin + second);
        known.lock(begin + BEFORE + second);
        assert!(!known.has(old) && known.has(recent) && !known.has(other));
        assert!(known.has("2001:db8::ffff".parse().unwrap()));
        assert!(!known.has("2001:db8:0:1::1".parse().unwrap()));
    }

    #[test]
    fn whoever_was_authorized_the_longest_time_ago_is_forgotten_when_there_are_too_many() {
        let (known, begin) = (Known::default(), Instant::now());
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in (0..).take(MAX_KNOWN) {
            known.note(address(number), begin + Duration::from_secs(number.into()));
        }
        // The first comes again.
        let later = begin + Duration::from_hours(1);
        known.note(address(0), later);
        known.note(address(5000), later);
        assert!(known.has(address(0)) && !known.has(address(1)) && known.has(address(2)));
        assert_eq!(known.0.lock().len(), MAX_KNOWN);
    }
}
