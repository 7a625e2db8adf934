//! Names of copies and of chunks. They become paths and keys of objects, so they are checked wherever they come from.

use std::fmt;

use thiserror::Error;

/// The most bytes of either part of a copy's name.
const MAX_PART: usize = 100;

/// A text is not a name of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the name of a copy: that is VOLUME/NAME, each of at most 100 letters, digits, `.`, `_` and `-`, beginning with a letter or a digit"
)]
pub struct NotName(String);

/// The first part of a copy's name: what its image is a copy of. Chunks are shared among the copies of one volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName(String);

/// The name of a copy, `VOLUME/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyName {
    volume: VolumeName,
    name: String,
}

/// The SHA-256 of a chunk, which is its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl VolumeName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NotName> {
        if is_part(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotName(shown(text)))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CopyName {
    /// Checks a name, `VOLUME/NAME`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NotName> {
        match text.split_once('/') {
            Some((volume, name)) if is_part(volume) && is_part(name) => Ok(Self {
                volume: VolumeName(volume.to_owned()),
                name: name.to_owned(),
            }),
            _ => Err(NotName(shown(text))),
        }
    }

    /// The first part.
    pub const fn volume(&self) -> &VolumeName {
        &self.volume
    }

    /// The second part.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for CopyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.volume, self.name)
    }
}

/// The copy whose name ends with the latest time, if all do: what an agent has made by its schedule and by hand is of
/// one order. A single copy needs no time.
pub(crate) fn newest(copies: &[CopyName]) -> Option<&CopyName> {
    if let [only] = copies {
        return Some(only);
    }
    let timed = copies.iter().map(|copy| Some((time(copy.name())?, copy)));
    let timed: Option<Vec<_>> = timed.collect();
    timed?.into_iter().max().map(|(_, copy)| copy)
}

/// The time that a name ends with, such as `20261130T050000Z`.
fn time(name: &str) -> Option<&str> {
    let (_, time) = name.rsplit_once('-').unwrap_or(("", name));
    let is_time = time.len() == 16
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    is_time.then_some(time)
}

impl Hash {
    /// The hash of a chunk.
    pub fn of(chunk: &[u8]) -> Self {
        Self(keyward_crypto::digest::sha256(chunk))
    }

    /// The hash of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads what is shown, 64 hexadecimal digits in lower case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        let hash = Self(bytes);
        (hash.to_string() == text).then_some(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a text can be a part: neither hidden, nor a step to another directory, nor anything that has to be quoted.
fn is_part(text: &str) -> bool {
    let first = text.bytes().next();
    text.len() <= MAX_PART
        && first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The beginning of a text that was given, without what could disturb a terminal.
fn shown(text: &str) -> String {
    text.escape_debug().take(2 * MAX_PART).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_two_parts_that_are_no_paths() {
        let name = CopyName::parse("customers/20261130T050000Z").unwrap();
        assert_eq!(name.volume().as_str(), "customers");
        assert_eq!(name.name(), "20261130T050000Z");
        assert_eq!(name.to_string(), "customers/20261130T050000Z");
        let long = "a".repeat(MAX_PART + 1);
        for wrong in [
            "",
            "a",
            "a/",
            "/a",
            "a/b/c",
            "../a",
            "a/..",
            "./a",
            "a/.b",
            "a/b c",
            "a/é",
            "a\0/b",
            "-a/b",
            "a//b",
            "a\n/b",
            &format!("{long}/b"),
            &format!("a/{long}"),
        ] {
            assert!(CopyName::parse(wrong).is_err(), "{wrong:?}");
        }
        let said = CopyName::parse("a\u{1b}[0m").unwrap_err().to_string();
        assert!(
            said.starts_with("`a\\u{1b}[0m` is not the name of a copy: that is VOLUME/NAME"),
            "{said}"
        );
    }

    #[test]
    fn a_hash_is_read_only_as_it_is_shown() {
        let hash = Hash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(Hash::parse(text), Some(hash));
        for wrong in [
            text.trim_start_matches('b'),
            &text.to_uppercase(),
            "",
            &format!("{text}00"),
        ] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }

    fn last(names: &[&str]) -> Option<String> {
        let copies: Vec<CopyName> = names
            .iter()
            .map(|name| CopyName::parse(&format!("v/{name}")).unwrap())
            .collect();
        newest(&copies).map(|copy| copy.name().to_owned())
    }

    #[test]
    fn the_last_copy_is_that_of_the_latest_time_whatever_made_it() {
        let (old, new) = ("scheduled-20261130T180207Z", "manual-20261130T180424Z");
        assert_eq!(last(&[new, old]).as_deref(), Some(new));
        assert_eq!(
            last(&[old, "20261130T180208Z"]).as_deref(),
            Some("20261130T180208Z")
        );
        // A name without a time may be of any.
        assert_eq!(last(&[old, "monday"]), None);
        assert_eq!(last(&["monday"]).as_deref(), Some("monday"));
        for name in ["20261130T18020Z", "2026113XT180207Z", "20261130 180207Z"] {
            assert_eq!(time(name), None);
        }
    }
}
