//! A duty that nothing made due.
use keyward_keys::duty::{Destroy, Duty};
use keyward_types::{key_id::KeyArn, time::Timestamp};

fn misuse(key: KeyArn, now: Timestamp) -> Duty<Destroy> {
    Duty { key, now, duty: std::marker::PhantomData }
}

fn main() {}
