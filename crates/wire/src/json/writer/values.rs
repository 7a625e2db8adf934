//! How single values are written.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_types::time::Timestamp;

pub(crate) fn write_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn write_double(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(format!("{value:?}").as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

pub(super) fn write_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn write_timestamp(out: &mut Vec<u8>, value: Timestamp) {
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

/// More bytes than the members after a secret blob take in any answer.
const AFTER_BLOB: usize = 512;

pub(super) fn write_base64(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let length = value.len().div_ceil(3) * 4;
    // With room for the members after it: if the buffer grew then, it would leave a copy of a
    // secret behind.
    out.reserve(length + AFTER_BLOB);
    out.resize(start + length, b'=');
    if let Some(room) = out.get_mut(start..) {
        let written = STANDARD.encode_slice(value, room).unwrap_or_default();
        out.truncate(start + written);
    }
    out.push(b'"');
}

pub(super) fn write_hexadecimal(out: &mut Vec<u8>, value: &[u8]) {
    // Without a branch or a table, so that sixteen digits are computed at once.
    let digit = |half: u8| half + b'0' + u8::from(half > 9) * (b'a' - b'9' - 1);
    out.reserve(value.len() * 2 + 2);
    out.push(b'"');
    let (chunks, rest) = value.as_chunks::<16>();
    for chunk in chunks {
        let mut digits = [[0; 2]; 16];
        for (pair, byte) in digits.iter_mut().zip(chunk) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        out.extend_from_slice(digits.as_flattened());
    }
    for byte in rest {
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    out.push(b'"');
}

pub(crate) fn write_string(out: &mut Vec<u8>, value: &str) {
    out.reserve(value.len() + 2);
    out.push(b'"');
    write_escaped(out, value);
    out.push(b'"');
}

pub(super) fn write_escaped(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    if !any_needs_escape(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
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

/// Whether any byte needs an escape. All bytes are checked, sixteen at once, since nearly all text
/// needs none.
#[inline]
pub(super) fn any_needs_escape(bytes: &[u8]) -> bool {
    const LANES: usize = 16;
    let any = |bytes: &[u8; LANES]| {
        let mut found = 0;
        for byte in bytes {
            found |= u8::from(needs_escape(*byte));
        }
        found
    };
    let (chunks, rest) = bytes.as_chunks::<LANES>();
    let found = chunks.iter().fold(0, |found, chunk| found | any(chunk));
    // The rest is checked together with the bytes before it, if there are enough.
    match bytes.last_chunk::<LANES>() {
        Some(last) if !rest.is_empty() => found | any(last) != 0,
        Some(_) => found != 0,
        None => {
            let mut padded = [b' '; LANES];
            if let Some(start) = padded.get_mut(..rest.len()) {
                start.copy_from_slice(rest);
            }
            any(&padded) != 0
        }
    }
}

#[inline]
pub(super) fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
