//! Destruction without the clocks' clearance, and a clearance made by hand.
use keyward_keys::deletion::Cleared;
use keyward_keys::duty::{Destroy, Duty};
use keyward_keys::record::KeyRecord;
use keyward_types::time::Timestamp;

fn misuse(record: &KeyRecord, now: Timestamp) {
    let _ = Duty::<Destroy>::to_destroy(record, now);
    let _ = Duty::<Destroy>::to_destroy(record, now, &Cleared(record.arn()));
}

fn main() {}
