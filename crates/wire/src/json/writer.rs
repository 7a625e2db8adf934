//! From values to bytes: members are appended directly, without an intermediate tree.

mod values;

use std::fmt;

use keyward_types::time::Timestamp;

use self::values::{
    any_needs_escape, write_base64, write_boolean, write_double, write_escaped, write_hexadecimal,
    write_timestamp,
};
pub(crate) use self::values::{write_integer, write_string};

/// A JSON object under construction.
pub struct Writer<'w> {
    out: &'w mut Vec<u8>,
    empty: bool,
}

/// Members of an object that were rendered in advance, since they are written often and seldom
/// change.
pub struct Fragment(Box<[u8]>);

/// A JSON array under construction.
pub struct Elements<'w> {
    out: &'w mut Vec<u8>,
    empty: bool,
}

/// The place of one member's value, whose name is written.
pub struct Slot<'w> {
    out: &'w mut Vec<u8>,
}

/// A member's name with a small first letter, put together for writing when the program is built.
#[derive(Clone, Copy)]
pub struct Name {
    piece: [u8; LONGEST_PIECE],
    length: u8,
}

/// A position in an object under construction to which the writer can return.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    length: usize,
    empty: bool,
}

impl Name {
    /// The name with a lower-case first letter, as the audit trail writes AWS's names.
    ///
    /// # Panics
    /// When the program is built, if the name is empty, too long or needs escapes.
    #[expect(
        clippy::indexing_slicing,
        reason = "the length is checked, when the program is built"
    )]
    pub const fn lower_camel(name: &str) -> Self {
        let bytes = name.as_bytes();
        assert!(
            !bytes.is_empty() && bytes.len() + 4 <= LONGEST_PIECE,
            "the name is too long or empty"
        );
        let mut piece = [0; LONGEST_PIECE];
        piece[0] = b',';
        piece[1] = b'"';
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at].is_ascii_alphanumeric(), "the name needs escapes");
            piece[at + 2] = bytes[at];
            at += 1;
        }
        piece[2] = piece[2].to_ascii_lowercase();
        piece[at + 2] = b'"';
        piece[at + 3] = b':';
        #[expect(clippy::cast_possible_truncation, reason = "it is checked above")]
        let length = (at + 4) as u8;
        Self { piece, length }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let piece = self.piece.get(2..usize::from(self.length) - 2);
        f.write_str(&String::from_utf8_lossy(piece.unwrap_or_default()))
    }
}

impl fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl fmt::Debug for Writer<'_> {
    // The content may be a plaintext.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Elements")
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fragment")
    }
}

impl Fragment {
    /// Renders any number of members.
    pub fn of(members: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut out = Vec::new();
        members(&mut Writer {
            out: &mut out,
            empty: true,
        });
        Self(out.into())
    }
}

impl Writer<'_> {
    /// The bytes of one object, in a buffer with room for `capacity` bytes. If that is enough, no
    /// copies of a secret are left in freed memory.
    pub fn render(capacity: usize, members: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(capacity);
        write_object(&mut out, members);
        out
    }

    /// Appends one object to a buffer.
    pub fn append(out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        write_object(out, members);
    }

    /// A string member.
    #[inline(always)]
    pub fn string(&mut self, name: &'static str, value: &str) {
        self.name(name);
        write_string(self.out, value);
    }

    /// A string member of bytes as lower-case hexadecimal digits.
    #[inline(always)]
    pub fn hexadecimal(&mut self, name: &'static str, value: &[u8]) {
        self.name(name);
        write_hexadecimal(self.out, value);
    }

    /// The place of a member's value.
    pub fn member(&mut self, name: &Name) -> Slot<'_> {
        let start = usize::from(std::mem::replace(&mut self.empty, false));
        let piece = name.piece.get(start..usize::from(name.length));
        self.out.extend_from_slice(piece.unwrap_or_default());
        Slot { out: self.out }
    }

    /// This position, to return to.
    pub fn mark(&self) -> Mark {
        Mark {
            length: self.out.len(),
            empty: self.empty,
        }
    }

    /// What has been written since.
    pub fn since(&self, mark: Mark) -> &[u8] {
        self.out.get(mark.length..).unwrap_or_default()
    }

    /// Removes what has been written since.
    pub fn rewind(&mut self, mark: Mark) {
        self.out.truncate(mark.length);
        self.empty = mark.empty;
    }

    /// The members of a fragment.
    pub fn fragment(&mut self, fragment: &Fragment) {
        if !fragment.0.is_empty() {
            separate(self.out, &mut self.empty);
            self.out.extend_from_slice(&fragment.0);
        }
    }

    /// The members of an object that a writer rendered before; nothing of what is no object.
    pub fn members_of(&mut self, object: &[u8]) {
        let members = object.strip_prefix(b"{");
        let members = members.and_then(|rest| rest.strip_suffix(b"}"));
        if let Some(members) = members.filter(|members| !members.is_empty()) {
            separate(self.out, &mut self.empty);
            self.out.extend_from_slice(members);
        }
    }

    /// A string member whose name is `prefix` followed by `name`, which users may choose.
    pub fn prefixed_string(&mut self, (prefix, name): (&str, &str), value: &str) {
        separate(self.out, &mut self.empty);
        self.out.push(b'"');
        write_escaped(self.out, prefix);
        write_escaped(self.out, name);
        self.out.extend_from_slice(b"\":");
        write_string(self.out, value);
    }

    /// A string member whose name users may choose.
    pub fn named_string(&mut self, name: &str, value: &str) {
        self.prefixed_string(("", name), value);
    }

    /// A string member of bytes as lower-case hexadecimal digits, whose name users may choose.
    pub fn named_hexadecimal(&mut self, name: &str, value: &[u8]) {
        separate(self.out, &mut self.empty);
        write_string(self.out, name);
        self.out.push(b':');
        write_hexadecimal(self.out, value);
    }

    /// A blob member: base64 with padding.
    #[inline(always)]
    pub fn blob(&mut self, name: &'static str, value: &[u8]) {
        self.name(name);
        write_base64(self.out, value);
    }

    /// An integer member.
    #[inline(always)]
    pub fn integer(&mut self, name: &'static str, value: i64) {
        self.name(name);
        write_integer(self.out, value);
    }

    /// An integer member that is never negative.
    #[inline(always)]
    pub fn natural(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A number member with a fraction, even if it is `.0`; `null` for numbers that JSON does not
    /// have.
    pub fn double(&mut self, name: &'static str, value: f64) {
        self.name(name);
        write_double(self.out, value);
    }

    /// A boolean member.
    #[inline(always)]
    pub fn boolean(&mut self, name: &'static str, value: bool) {
        self.name(name);
        write_boolean(self.out, value);
    }

    /// A timestamp member: epoch seconds with a fraction of up to three digits.
    #[inline(always)]
    pub fn timestamp(&mut self, name: &'static str, value: Timestamp) {
        self.name(name);
        write_timestamp(self.out, value);
    }

    /// A member that is `null`.
    #[inline(always)]
    pub fn null(&mut self, name: &'static str) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    /// An object member.
    #[inline(always)]
    pub fn object(&mut self, name: &'static str, members: impl FnOnce(&mut Writer<'_>)) {
        self.name(name);
        write_object(self.out, members);
    }

    /// An object member, or `null` if it would have no members.
    pub fn object_or_null(&mut self, name: &'static str, members: impl FnOnce(&mut Writer<'_>)) {
        self.object(name, members);
        if self.out.ends_with(b":{}") {
            self.out.truncate(self.out.len() - 2);
            self.out.extend_from_slice(b"null");
        }
    }

    /// An object member, unless it would have no members.
    pub fn object_if_any(&mut self, name: &'static str, members: impl FnOnce(&mut Writer<'_>)) {
        let (before, was_empty) = (self.out.len(), self.empty);
        self.object(name, members);
        if self.out.ends_with(b":{}") {
            self.out.truncate(before);
            self.empty = was_empty;
        }
    }

    /// An array member.
    #[inline(always)]
    pub fn array(&mut self, name: &'static str, elements: impl FnOnce(&mut Elements<'_>)) {
        self.name(name);
        write_array(self.out, elements);
    }

    /// An array member of strings.
    pub fn strings<S: AsRef<str>>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = S>,
    ) {
        self.array(name, |array| {
            for value in values {
                array.string(value.as_ref());
            }
        });
    }

    /// A name of ours, which needs no escape: it is known when the program is built.
    #[inline(always)]
    fn name(&mut self, name: &'static str) {
        debug_assert!(!any_needs_escape(name.as_bytes()), "{name:?}");
        let empty = std::mem::replace(&mut self.empty, false);
        // Built where the name is known, so that it is appended in one piece of known length.
        let mut piece = [0; LONGEST_PIECE];
        let length = name.len() + 4;
        if let Some((place, rest)) = piece.split_at_mut_checked(2)
            && let Some((middle, rest)) = rest.split_at_mut_checked(name.len())
            && let Some(end) = rest.first_chunk_mut::<2>()
        {
            place.copy_from_slice(b",\"");
            middle.copy_from_slice(name.as_bytes());
            *end = *b"\":";
            let piece = if empty {
                piece.get(1..length)
            } else {
                piece.get(..length)
            };
            self.out.extend_from_slice(piece.unwrap_or_default());
        } else {
            self.long_name(name, empty);
        }
    }

    #[cold]
    fn long_name(&mut self, name: &'static str, empty: bool) {
        if !empty {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Bytes of a longer name than the usual, with its quotes, comma and colon.
const LONGEST_PIECE: usize = 48;

impl Slot<'_> {
    /// A string.
    pub fn string(self, value: &str) {
        write_string(self.out, value);
    }

    /// An integer.
    pub fn integer(self, value: i64) {
        write_integer(self.out, value);
    }

    /// A number with a fraction.
    pub fn double(self, value: f64) {
        write_double(self.out, value);
    }

    /// A boolean.
    pub fn boolean(self, value: bool) {
        write_boolean(self.out, value);
    }

    /// An object.
    pub fn object(self, members: impl FnOnce(&mut Writer<'_>)) {
        write_object(self.out, members);
    }

    /// An array.
    pub fn array(self, elements: impl FnOnce(&mut Elements<'_>)) {
        write_array(self.out, elements);
    }
}

impl Elements<'_> {
    /// A string element.
    pub fn string(&mut self, value: &str) {
        separate(self.out, &mut self.empty);
        write_string(self.out, value);
    }

    /// An integer element.
    pub fn integer(&mut self, value: i64) {
        separate(self.out, &mut self.empty);
        write_integer(self.out, value);
    }

    /// An object element.
    pub fn object(&mut self, members: impl FnOnce(&mut Writer<'_>)) {
        separate(self.out, &mut self.empty);
        write_object(self.out, members);
    }

    /// An array element.
    pub fn array(&mut self, elements: impl FnOnce(&mut Elements<'_>)) {
        separate(self.out, &mut self.empty);
        write_array(self.out, elements);
    }
}

#[inline]
fn separate(out: &mut Vec<u8>, empty: &mut bool) {
    if !std::mem::replace(empty, false) {
        out.push(b',');
    }
}

fn write_object(out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
    out.push(b'{');
    members(&mut Writer { out, empty: true });
    out.push(b'}');
}

fn write_array(out: &mut Vec<u8>, elements: impl FnOnce(&mut Elements<'_>)) {
    out.push(b'[');
    elements(&mut Elements { out, empty: true });
    out.push(b']');
}

#[cfg(test)]
mod tests;
