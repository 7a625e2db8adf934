//! The storage of DB instances: how much, and of which kind.

use crate::{fault::RdsFault, installed::ENGINE};

/// The storage that an instance may have, in GiB.
pub const STORAGE: std::ops::RangeInclusive<i64> = 20..=65_536;
/// The kinds of storage; what they mean for speed is up to the agent's disk.
pub const STORAGE_TYPES: [&str; 3] = ["gp2", "gp3", "standard"];
/// Bytes of a GiB.
pub const GIB: u64 = 1 << 30;

/// The storage that is asked for, in GiB.
///
/// # Errors
/// If there is no such storage, or it is too little or too much.
pub fn storage_of(asked: Option<i64>, storage_type: &str) -> Result<u32, RdsFault> {
    if !STORAGE_TYPES.contains(&storage_type) {
        return Err(RdsFault::InvalidParameterValue(format!(
            "Invalid storage type: {storage_type}. This version of Keyward has gp2, gp3 and standard."
        )));
    }
    let Some(asked) = asked else {
        let message = "The parameter AllocatedStorage must be provided and must not be blank.";
        return Err(RdsFault::InvalidParameterValue(message.to_owned()));
    };
    match u32::try_from(asked) {
        Ok(storage) if STORAGE.contains(&asked) => Ok(storage),
        _ => Err(RdsFault::InvalidParameterCombination(format!(
            "Invalid storage size for engine name {ENGINE} and storage type {storage_type}: {asked}"
        ))),
    }
}
