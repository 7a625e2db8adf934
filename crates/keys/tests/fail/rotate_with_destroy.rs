//! A duty to rotate where one to destroy is wanted.
use keyward_keys::duty::{Duty, Rotate};
use keyward_keys::{key::Key, ring::Ring};

fn misuse(ring: &Ring, duty: &Duty<Rotate>, key: &Key) {
    let _ = ring.destroy(duty, key);
}

fn main() {}
