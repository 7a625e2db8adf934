//! The place of a value: a path of at most 512 bytes, and the prefixes that `range` reads.

mod segment;

use std::{borrow::Borrow, fmt, sync::Arc};

pub use segment::{Number, Segment};
use thiserror::Error;

/// The longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 512;

/// The place of one value: segments of visible ASCII characters joined by `/`, ordered by bytes.
///
/// Paths begin with `partition/account/Region` (access keys are looked up globally). Names that
/// users choose (aliases, tags, user names) are never part of a path in plain text, only as
/// [`crate::sealed::Sealed::name_hash`], since paths are not encrypted. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

impl Path {
    /// Reads a path: 1 to 512 bytes, visible ASCII, no empty segment.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        check(text)?;
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.split('/').any(str::is_empty) {
            return Err(PathError::EmptySegment);
        }
        Ok(Self(text.into()))
    }

    /// The path of these segments, of which there is at least one.
    ///
    /// It must not be longer than 512 bytes. Only unique ids, access key ids and ids of an
    /// organization's policies can have more than 70 bytes, and no path has more than two of them.
    pub fn of<'s>(segments: impl IntoIterator<Item = Segment<'s>>) -> Self {
        // Long enough for the longest path of a unit that is read often.
        let mut text = String::with_capacity(128);
        for segment in segments {
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(segment.as_str());
        }
        debug_assert!(Self::parse(&text).is_ok(), "{text} is not a path");
        Self(text.into())
    }

    /// The path of these segments, joined by `/`.
    pub fn join(segments: &[&str]) -> Result<Self, PathError> {
        if segments.iter().any(|segment| segment.contains('/')) {
            return Err(PathError::Character);
        }
        Self::parse(&segments.join("/"))
    }

    /// The path `segment` below this one.
    pub fn child(&self, segment: &str) -> Result<Self, PathError> {
        if segment.contains('/') {
            return Err(PathError::Character);
        }
        Self::parse(&format!("{}/{segment}", self.0))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, from left to right.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The first `count` segments as a path: the name of the unit that a changed path belongs to.
    /// None if the path has fewer segments, or `count` is zero.
    pub fn first(&self, count: usize) -> Option<&str> {
        let last = count.checked_sub(1)?;
        let mut ends = self
            .0
            .match_indices('/')
            .map(|(at, _)| at)
            .chain(std::iter::once(self.0.len()));
        self.0.get(..ends.nth(last)?)
    }

    /// The path split into segments, once for all readers.
    pub fn split(&self) -> Split<'_> {
        let mut ends = [u16::MAX; SPLIT_SEGMENTS];
        let bytes = self.0.bytes().zip(0..);
        let slashes = bytes.filter_map(|(byte, at)| (byte == b'/').then_some(at));
        let whole = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        for (end, at) in ends.iter_mut().zip(slashes.chain([whole])) {
            *end = at;
        }
        Split {
            text: &self.0,
            ends,
        }
    }
}

/// A path's text and where each of its first nine segments ends.
///
/// Every change is compared with the units of all caches, so each comparison must be cheap.
#[derive(Clone, Copy, Debug)]
pub struct Split<'p> {
    text: &'p str,
    // No path is that long: unused places are `u16::MAX`.
    ends: [u16; SPLIT_SEGMENTS],
}

const SPLIT_SEGMENTS: usize = 9;

impl<'p> Split<'p> {
    /// The whole path.
    pub fn whole(&self) -> &'p str {
        self.text
    }

    /// The first `count` segments, of which there are one to nine: see [`Path::first`].
    pub fn first(&self, count: usize) -> Option<&'p str> {
        let end = *self.ends.get(count.checked_sub(1)?)?;
        self.text.get(..usize::from(end))
    }

    /// The whole path if that segment, the first of nine being 0, is `word`.
    pub fn with(&self, word: &str, at: usize) -> Option<&'p str> {
        let end = usize::from(*self.ends.get(at)?);
        let start = end.checked_sub(word.len())?;
        let before = match at.checked_sub(1) {
            Some(before) => usize::from(*self.ends.get(before)?) + 1,
            None => 0,
        };
        (start == before && self.text.get(start..end) == Some(word)).then_some(self.text)
    }
}

impl Borrow<str> for Path {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// The beginning of paths that one `range` reads. Empty means every path.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Reads a prefix: at most 512 bytes of visible ASCII. It may end within a segment; end it
    /// with `/` to stay below one path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// What stands below `path`, not `path` itself.
    pub fn below(path: &Path) -> Self {
        // A path of 512 bytes has nothing below it, and no path begins with this prefix.
        Self(format!("{path}/").into())
    }

    /// Every path.
    pub fn all() -> Self {
        Self("".into())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` begins with it.
    pub fn holds(&self, path: &Path) -> bool {
        path.0.starts_with(&*self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}*`", self.0)
    }
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// No character at all.
    #[error("a path must have at least one character")]
    Empty,
    /// Two slashes in a row, or one at an end.
    #[error("a path must not have an empty segment")]
    EmptySegment,
    /// Something else than visible ASCII.
    #[error("a path must have visible ASCII characters only, and `/` only between segments")]
    Character,
    /// Over 512 bytes.
    #[error("a path must have at most 512 bytes, but this one has {bytes}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
}

fn check(text: &str) -> Result<(), PathError> {
    if text.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong { bytes: text.len() });
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(PathError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_segments_of_visible_ascii() {
        let path = Path::join(&["aws", "000000000000", "us-east-1"]).unwrap();
        assert_eq!(path.as_str(), "aws/000000000000/us-east-1");
        assert_eq!(path.child("key").unwrap().segments().count(), 4);
        assert_eq!(Path::parse(""), Err(PathError::Empty));
        assert_eq!(Path::parse("a//b"), Err(PathError::EmptySegment));
        assert_eq!(Path::parse("/a"), Err(PathError::EmptySegment));
        assert_eq!(Path::parse("a b"), Err(PathError::Character));
        assert_eq!(Path::parse("ä"), Err(PathError::Character));
        assert_eq!(Path::join(&["a/b"]), Err(PathError::Character));
        assert_eq!(path.child("a/b"), Err(PathError::Character));
    }

    #[test]
    fn a_path_of_segments_is_the_path_of_their_texts() {
        const KEY: Segment<'static> = Segment::word("key");
        let account = keyward_types::account::AccountId::parse("111122223333").unwrap();
        let path = Path::of([Segment::from(&account), KEY]);
        assert_eq!(Ok(&path), Path::parse("111122223333/key").as_ref());
        let number = Number::new(7);
        assert_eq!(
            Path::of([KEY, Segment::from(&number)]).as_str(),
            "key/0000000000000007"
        );
    }

    #[test]
    fn a_path_of_512_bytes_is_the_longest() {
        assert!(Path::parse(&"a".repeat(512)).is_ok());
        assert_eq!(
            Path::parse(&"a".repeat(513)),
            Err(PathError::TooLong { bytes: 513 })
        );
    }

    #[test]
    fn the_first_segments_name_the_unit_of_a_path() {
        let path = Path::parse("a/b/c").unwrap();
        assert_eq!(path.first(0), None);
        assert_eq!(path.first(1), Some("a"));
        assert_eq!(path.first(3), Some("a/b/c"));
        assert_eq!(path.first(4), None);
    }

    #[test]
    fn a_split_path_answers_as_the_path_does() {
        let paths = [
            "a",
            "key",
            "aws/000000000000/us-east-1/key",
            "aws/000000000000/us-east-1/key/1234/key",
            "aws/000000000000/us-east-1/keys/1234",
            "aws/000000000000/us-east-1/ke",
            "aws/000000000000/us-east-1/domain-key",
            "aws/000000000000/us-east-1",
            "1/2/3/4/5/6/7/8/9",
            "1/2/3/4/5/6/7/8/9/key",
        ];
        for path in paths.map(|path| Path::parse(path).unwrap()) {
            let split = path.split();
            assert_eq!(split.whole(), path.as_str());
            for at in 0..9 {
                assert_eq!(split.first(at), path.first(at), "{path} {at}");
                for word in ["key", "4", "9", "us-east-1"] {
                    let stands = path.segments().nth(at) == Some(word);
                    let expected = stands.then_some(path.as_str());
                    assert_eq!(split.with(word, at), expected, "{path} {word} {at}");
                }
            }
        }
        let longest = Path::parse("a/".repeat(255).trim_end_matches('/')).unwrap();
        assert_eq!(longest.split().first(9), longest.first(9));
    }

    #[test]
    fn a_prefix_holds_what_begins_with_it() {
        let path = Path::parse("a/b/c").unwrap();
        assert!(Prefix::all().holds(&path));
        assert!(Prefix::parse("a/b").unwrap().holds(&path));
        assert!(!Prefix::below(&path).holds(&path));
        assert!(Prefix::below(&path).holds(&path.child("d").unwrap()));
    }
}
