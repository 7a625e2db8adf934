//! Segments that are known to be such, so that a path of them cannot fail.

use keyward_types::{
    account::AccountId,
    grant::GrantId,
    key_id::KeyId,
    organization::{ControlPolicyId, CreateAccountRequestId, OrganizationalUnitId},
    partition::Partition,
    region::Region,
    storage::{AgentId, AgentTokenId, VolumeId},
    unique_id::{AccessKeyId, UniqueId},
};

use super::PathError;

/// The longest segment, in bytes: the longest id of an organization's policy.
pub const MAX_SEGMENT_BYTES: usize = 130;

/// One segment of a path: 1 to 130 visible ASCII characters without `/`. What is parsed already is
/// one as it stands, a word of the program is checked when it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment<'s>(&'s str);

impl<'s> Segment<'s> {
    /// Reads a segment.
    pub fn parse(text: &'s str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::EmptySegment);
        }
        if text.len() > MAX_SEGMENT_BYTES {
            return Err(PathError::TooLong { bytes: text.len() });
        }
        if is_segment(text) {
            Ok(Self(text))
        } else {
            Err(PathError::Character)
        }
    }

    /// A segment by the type that the text is of.
    pub(crate) const fn trusted(text: &'s str) -> Self {
        Self(text)
    }

    /// The segment as text.
    pub const fn as_str(self) -> &'s str {
        self.0
    }
}

impl Segment<'static> {
    /// A word of the program; for constants, which do not compile if it is no segment.
    ///
    /// ```compile_fail
    /// use keyward_store::path::Segment;
    ///
    /// const TWO: Segment<'static> = Segment::word("a/b");
    /// # let _ = TWO;
    /// ```
    #[expect(
        clippy::panic,
        reason = "it happens when a constant is compiled, and not later"
    )]
    pub const fn word(word: &'static str) -> Self {
        if !is_segment(word) {
            panic!("a segment must have 1 to 130 visible ASCII characters without `/`");
        }
        Self(word)
    }
}

const fn is_segment(text: &str) -> bool {
    let mut bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_SEGMENT_BYTES {
        return false;
    }
    while let [byte, rest @ ..] = bytes {
        if !byte.is_ascii_graphic() || *byte == b'/' {
            return false;
        }
        bytes = rest;
    }
    true
}

/// A number as a segment, of 16 digits, so that paths are in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// That number; at most 16 digits of it are in order.
    pub fn new(number: u64) -> Self {
        Self(format!("{number:016}"))
    }
}

impl<'s> From<&'s Number> for Segment<'s> {
    fn from(number: &'s Number) -> Self {
        Self(&number.0)
    }
}

impl From<Partition> for Segment<'static> {
    fn from(partition: Partition) -> Self {
        Self(partition.as_str())
    }
}

impl From<Region> for Segment<'static> {
    fn from(region: Region) -> Self {
        Self(region.as_str())
    }
}

impl<'s> From<&'s AccountId> for Segment<'s> {
    fn from(account: &'s AccountId) -> Self {
        Self(account.as_str())
    }
}

impl<'s> From<&'s KeyId> for Segment<'s> {
    fn from(id: &'s KeyId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s UniqueId> for Segment<'s> {
    fn from(id: &'s UniqueId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s AccessKeyId> for Segment<'s> {
    fn from(id: &'s AccessKeyId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s CreateAccountRequestId> for Segment<'s> {
    fn from(id: &'s CreateAccountRequestId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s AgentId> for Segment<'s> {
    fn from(id: &'s AgentId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s AgentTokenId> for Segment<'s> {
    fn from(id: &'s AgentTokenId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s VolumeId> for Segment<'s> {
    fn from(id: &'s VolumeId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s ControlPolicyId> for Segment<'s> {
    fn from(id: &'s ControlPolicyId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s GrantId> for Segment<'s> {
    fn from(id: &'s GrantId) -> Self {
        Self(id.as_str())
    }
}

impl<'s> From<&'s OrganizationalUnitId> for Segment<'s> {
    fn from(id: &'s OrganizationalUnitId) -> Self {
        Self(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_short_visible_and_one() {
        assert_eq!(Segment::parse("key").map(Segment::as_str), Ok("key"));
        assert_eq!(Segment::parse(""), Err(PathError::EmptySegment));
        assert_eq!(Segment::parse("a/b"), Err(PathError::Character));
        assert_eq!(Segment::parse("a b"), Err(PathError::Character));
        assert_eq!(Segment::parse("ä"), Err(PathError::Character));
        assert!(Segment::parse(&"a".repeat(130)).is_ok());
        assert_eq!(
            Segment::parse(&"a".repeat(131)),
            Err(PathError::TooLong { bytes: 131 })
        );
    }

    /// What the conversions take on trust: the longest and strangest of each type.
    #[test]
    fn whatever_is_parsed_is_a_segment() {
        for partition in Partition::ALL {
            assert!(is_segment(partition.as_str()), "{partition}");
        }
        let region = Region::parse("us-isof-south-1").unwrap();
        assert!(is_segment(Segment::from(region).as_str()));
        let id = UniqueId::parse(&format!("AIDA{}", "Z".repeat(124))).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = AccessKeyId::parse(&"_-".repeat(64)).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = KeyId::parse("mrk-1234abcd12ab34cd56ef1234567890ab").unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = AgentId::parse(&format!("agent-{}", "f".repeat(40))).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = AgentTokenId::parse(&format!("token-{}", "0".repeat(40))).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = GrantId::parse(&"0f".repeat(32)).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = ControlPolicyId::parse(&format!("p-{}", "_9".repeat(64))).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let (root, own) = ("r".repeat(32), "0".repeat(32));
        let id = OrganizationalUnitId::parse(&format!("ou-{root}-{own}")).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
        let id = VolumeId::parse(&format!("f-{}", "z9".repeat(31))).unwrap();
        assert!(is_segment(Segment::from(&id).as_str()));
    }
}
