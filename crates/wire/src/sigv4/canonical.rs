//! The canonical request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use smallvec::SmallVec;

use super::Claim;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same for a path, which keeps its slashes.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Writes the canonical request. `body_hash` is in hexadecimal.
pub(super) fn write(claim: &Claim<'_>, body_hash: &[u8], out: &mut Vec<u8>) {
    let request = claim.request;
    out.extend_from_slice(request.method.as_bytes());
    out.extend_from_slice(b"\n");
    write_path(request.path, out);
    out.extend_from_slice(b"\n");
    write_query(claim, out);
    out.extend_from_slice(b"\n");
    for name in claim.signed_headers.names() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b":");
        write_values(claim, name, out);
        out.extend_from_slice(b"\n");
    }
    if claim.empty_line {
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(claim.signed_headers.text().as_bytes());
    out.extend_from_slice(b"\n");
    out.extend_from_slice(body_hash);
}

/// The path with dot segments and repeated slashes removed, and encoded once more: what was encoded
/// on the request line is then encoded twice, as for every service but S3.
fn write_path(path: &str, out: &mut Vec<u8>) {
    if path.is_empty() || path == "/" {
        out.extend_from_slice(b"/");
        return;
    }
    let mut kept: SmallVec<[&str; 8]> = SmallVec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    for segment in &kept {
        out.extend_from_slice(b"/");
        for piece in percent_encode(segment.as_bytes(), RESERVED_IN_PATH) {
            out.extend_from_slice(piece.as_bytes());
        }
    }
    if kept.is_empty() || path.ends_with('/') {
        out.extend_from_slice(b"/");
    }
}

/// The parameters, encoded again and sorted by name and value, without the signature itself.
fn write_query(claim: &Claim<'_>, out: &mut Vec<u8>) {
    let query = claim.request.query;
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| !(claim.presigned && *name == "X-Amz-Signature"))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b"&");
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=");
        out.extend_from_slice(value.as_bytes());
    }
}

/// A query component as SigV4 writes it. `+` is a space, as in forms.
fn encoded(component: &str) -> String {
    let spaced = component.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    percent_encode(&bytes, RESERVED).to_string()
}

/// The values of a field, joined with commas in their order; HTTP/2's authority counts as the host.
fn write_values(claim: &Claim<'_>, name: &str, out: &mut Vec<u8>) {
    let request = claim.request;
    let is_authority = name == ":authority";
    if is_authority || name.eq_ignore_ascii_case("host") {
        let host = request.value("host");
        let authority = request.authority.map(str::as_bytes);
        let value = if is_authority {
            authority.or(host)
        } else {
            host.or(authority)
        };
        write_value(value.unwrap_or_default(), out);
        return;
    }
    for (at, value) in request.values(name).enumerate() {
        if at > 0 {
            out.extend_from_slice(b",");
        }
        write_value(value, out);
    }
}

/// A value without spaces at its ends, and with runs of spaces inside replaced by one.
fn write_value(value: &[u8], out: &mut Vec<u8>) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    if !value.iter().fold(false, |any, byte| any | is_blank(byte)) {
        out.extend_from_slice(value);
        return;
    }
    let words = value.split(is_blank).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.extend_from_slice(b" ");
        }
        out.extend_from_slice(word);
    }
}
