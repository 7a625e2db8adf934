//! Values to bytes: members are appended as they are named, nothing is built in between.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_types::time::Timestamp;

/// A JSON object under construction.
pub struct Writer<'w> {
    out: &'w mut Vec<u8>,
    empty: bool,
}

/// A JSON array under construction.
pub struct Elements<'w> {
    out: &'w mut Vec<u8>,
    empty: bool,
}

impl fmt::Debug for Writer<'_> {
    // What is written may be a plaintext.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Elements")
    }
}

impl Writer<'_> {
    /// The bytes of one object, in a buffer that starts with room for `capacity` bytes. A
    /// capacity that suffices leaves no copies of a secret behind in freed memory.
    pub fn render(capacity: usize, members: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(capacity);
        write_object(&mut out, members);
        out
    }

    /// A string member.
    pub fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        write_string(self.out, value);
    }

    /// A blob member: base64 with padding.
    pub fn blob(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        write_base64(self.out, value);
    }

    /// An integer member.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        write_integer(self.out, value);
    }

    /// A boolean member.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        write_boolean(self.out, value);
    }

    /// A timestamp member: epoch seconds with a fraction of up to three digits.
    pub fn timestamp(&mut self, name: &str, value: Timestamp) {
        self.name(name);
        write_timestamp(self.out, value);
    }

    /// A member that is `null`.
    pub fn null(&mut self, name: &str) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    /// An object member.
    pub fn object(&mut self, name: &str, members: impl FnOnce(&mut Writer<'_>)) {
        self.name(name);
        write_object(self.out, members);
    }

    /// An object member, or `null` if it would have no members.
    pub fn object_or_null(&mut self, name: &str, members: impl FnOnce(&mut Writer<'_>)) {
        self.object(name, members);
        if self.out.ends_with(b":{}") {
            self.out.truncate(self.out.len() - 2);
            self.out.extend_from_slice(b"null");
        }
    }

    /// An object member, unless it would have no members.
    pub fn object_if_any(&mut self, name: &str, members: impl FnOnce(&mut Writer<'_>)) {
        let (before, was_empty) = (self.out.len(), self.empty);
        self.object(name, members);
        if self.out.ends_with(b":{}") {
            self.out.truncate(before);
            self.empty = was_empty;
        }
    }

    /// An array member.
    pub fn array(&mut self, name: &str, elements: impl FnOnce(&mut Elements<'_>)) {
        self.name(name);
        write_array(self.out, elements);
    }

    /// An array member of strings.
    pub fn strings<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        self.array(name, |array| {
            for value in values {
                array.string(value.as_ref());
            }
        });
    }

    fn name(&mut self, name: &str) {
        separate(self.out, &mut self.empty);
        write_string(self.out, name);
        self.out.push(b':');
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

fn write_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

fn write_timestamp(out: &mut Vec<u8>, value: Timestamp) {
    let millis = value.millis();
    if millis < 0 {
        out.push(b'-');
    }
    let millis = millis.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(millis / 1000).as_bytes());
    // AWS writes `1795425600.0` for a whole second and drops trailing zeros otherwise.
    let fraction = millis % 1000;
    let digit = |of: u64| b'0' + u8::try_from(of % 10).unwrap_or_default();
    let digits = [
        b'.',
        digit(fraction / 100),
        digit(fraction / 10),
        digit(fraction),
    ];
    let kept = if fraction.is_multiple_of(100) {
        2
    } else if fraction.is_multiple_of(10) {
        3
    } else {
        4
    };
    out.extend(digits.iter().take(kept));
}

fn write_base64(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + value.len().div_ceil(3) * 4, b'=');
    if let Some(room) = out.get_mut(start..) {
        let written = STANDARD.encode_slice(value, room).unwrap_or_default();
        out.truncate(start + written);
    }
    out.push(b'"');
}

fn write_string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let bytes = value.as_bytes();
    if bytes.iter().all(|byte| !needs_escape(*byte)) {
        out.extend_from_slice(bytes);
    } else {
        for &byte in bytes {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x00..0x20 => {
                    let low = byte & 15;
                    let low = if low < 10 {
                        b'0' + low
                    } else {
                        b'a' + low - 10
                    };
                    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
                }
                _ => out.push(byte),
            }
        }
    }
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
