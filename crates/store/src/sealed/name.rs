//! What stands in paths for something that users name.

use std::fmt;

use crate::path::Segment;

/// The keyed hash of a name: 32 hexadecimal digits. See [`super::Sealed::name_hash`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameHash(String);

impl NameHash {
    pub(super) fn new(hash: u128) -> Self {
        Self(format!("{hash:032x}"))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<NameHash> for String {
    fn from(hash: NameHash) -> String {
        hash.0
    }
}

impl<'s> From<&'s NameHash> for Segment<'s> {
    fn from(hash: &'s NameHash) -> Self {
        Self::trusted(&hash.0)
    }
}
