//! The canonical request: fed to the hash piece by piece, so that it is never in memory whole.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>

use keyward_crypto::digest::Sha256;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::percent_decode_str;
use percent_encoding::percent_encode;
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

/// Where canonical text goes.
pub(super) trait Sink {
    /// Appends.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes the canonical request. `body_hash` is in hexadecimal.
pub(super) fn write(claim: &Claim<'_>, body_hash: &[u8], sink: &mut impl Sink) {
    let request = claim.request;
    sink.put(request.method.as_bytes());
    sink.put(b"\n");
    write_path(request.path, sink);
    sink.put(b"\n");
    write_query(claim, sink);
    sink.put(b"\n");
    for name in claim.signed_headers.split(';') {
        sink.put(name.as_bytes());
        sink.put(b":");
        write_values(claim, name, sink);
        sink.put(b"\n");
    }
    sink.put(b"\n");
    sink.put(claim.signed_headers.as_bytes());
    sink.put(b"\n");
    sink.put(body_hash);
}

/// The path with dot segments and repeated slashes removed, each byte encoded once more: what
/// was encoded on the request line is so twice, as every service but S3 has it.
fn write_path(path: &str, sink: &mut impl Sink) {
    if path.is_empty() || path == "/" {
        sink.put(b"/");
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
        sink.put(b"/");
        for piece in percent_encode(segment.as_bytes(), RESERVED_IN_PATH) {
            sink.put(piece.as_bytes());
        }
    }
    if kept.is_empty() || path.ends_with('/') {
        sink.put(b"/");
    }
}

/// The parameters, encoded anew and sorted by name and value; the signature itself is left out.
fn write_query(claim: &Claim<'_>, sink: &mut impl Sink) {
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
            sink.put(b"&");
        }
        sink.put(name.as_bytes());
        sink.put(b"=");
        sink.put(value.as_bytes());
    }
}

/// A query component as SigV4 writes it: `+` is a blank, which forms write so.
fn encoded(component: &str) -> String {
    let spaced = component.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    percent_encode(&bytes, RESERVED).to_string()
}

/// The values of a field, joined with commas in the order they came; the authority of HTTP/2
/// stands for the host.
fn write_values(claim: &Claim<'_>, name: &str, sink: &mut impl Sink) {
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
        write_value(value.unwrap_or_default(), sink);
        return;
    }
    for (at, value) in request.values(name).enumerate() {
        if at > 0 {
            sink.put(b",");
        }
        write_value(value, sink);
    }
}

/// A value without blanks at its ends, and with one blank for each run of blanks inside.
fn write_value(value: &[u8], sink: &mut impl Sink) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let words = value.split(is_blank).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            sink.put(b" ");
        }
        sink.put(word);
    }
}
