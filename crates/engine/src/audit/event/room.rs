//! How long an event may be, and what happens to longer ones.
//!
//! CloudTrail leaves out what is larger than 100 KB and cuts messages at 1 KB. A request that was
//! not allowed must not cost more disk space than it costs the caller, so its event is short
//! whatever was sent: what is too long is replaced by its length and hash.

use keyward_crypto::digest::sha256;
use keyward_wire::json::Writer;

use crate::audit::parameters::{shortened, value_of};

/// Bytes of an event of a request that was allowed and succeeded, before it is shortened.
pub(super) const MAX_ALLOWED: usize = 256 * 1024;
/// Bytes of any other event, before it is shortened.
pub(super) const MAX_OTHER: usize = 4096;

/// Bytes that the parts of an event may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// `errorMessage`; what is longer is cut.
    pub message: usize,
    /// `userAgent`; what is longer is cut.
    pub user_agent: usize,
    /// `clientProvidedHostHeader`; what is longer is cut.
    pub host: usize,
    /// One member of `requestParameters`.
    pub member: usize,
    /// All of `requestParameters`, and of `responseElements`.
    pub elements: usize,
    /// The ARNs of `resources`; what does not fit is not listed.
    pub resources: usize,
    /// How many decisions are shown, the last ones: it is the last that denies.
    pub decisions: usize,
    /// The ARN in a decision; what is longer is cut.
    pub arn: usize,
    /// Any other part.
    pub section: usize,
    /// Whether the event says that it is shortened.
    pub short: bool,
}

impl Room {
    /// For nearly every event.
    pub const FULL: Self = Self {
        message: 1024,
        user_agent: 512,
        host: 512,
        member: 100_000,
        elements: 100_000,
        resources: 100_000,
        decisions: usize::MAX,
        arn: usize::MAX,
        section: usize::MAX,
        short: false,
    };

    /// For events that would be too long. With an identity of the longest names the parts add up to
    /// less than 5,000 bytes.
    pub const SHORT: Self = Self {
        message: 300,
        user_agent: 128,
        host: 100,
        member: 128,
        elements: 300,
        resources: 256,
        decisions: 1,
        arn: 200,
        section: 150,
        short: true,
    };
}

/// Writes a named part, or its length and hash if it is longer than it may be.
pub(super) fn section(
    out: &mut Writer<'_>,
    name: &'static str,
    most: usize,
    write: impl FnOnce(&mut Writer<'_>),
) {
    let mark = out.mark();
    write(out);
    let written = out.since(mark);
    if written.len() <= most {
        return;
    }
    let value = value_of(written);
    if value.len() > most {
        let (length, hash) = (value.len(), sha256(value));
        out.rewind(mark);
        out.object(name, |omitted| shortened(omitted, length, &hash));
    }
}

/// The longest prefix of a text that takes at most so many bytes when it is written.
pub(super) fn cut(text: &str, most: usize) -> &str {
    // Nearly every text is short, even if each of its bytes were written as an escape of six.
    if text.len() <= most / 6 {
        return text;
    }
    let escaped = |byte: u8| usize::from(byte < b' ' || byte == b'"' || byte == b'\\');
    let escapes: usize = text.bytes().map(escaped).sum();
    if text.len() + escapes * 5 <= most {
        return text;
    }
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += match character {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if taken > most {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_it_would_be_written_too_long() {
        assert_eq!(cut("", 0), "");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("äöü", 5), "äö");
        assert_eq!(cut("\"\"\"", 5), "\"\"");
        assert_eq!(cut("\u{1}\u{1}", 11), "\u{1}");
        assert_eq!(cut("\u{1}\u{1}", 12), "\u{1}\u{1}");
        assert_eq!(cut("ab\u{1}", 8), "ab\u{1}");
        assert_eq!(cut("ab\u{1}", 7), "ab");
        for text in ["\u{1}\"\n\\ä", "plain"] {
            let written = Writer::render(64, |out| out.string("a", cut(text, 9)));
            assert!(written.len() <= 9 + r#"{"a":""}"#.len());
        }
    }

    #[test]
    fn what_is_too_long_is_replaced_by_its_length_and_hash() {
        let write = |most| {
            let written = Writer::render(64, |out| {
                out.integer("before", 1);
                section(out, "part", most, |out| {
                    out.object("part", |part| part.string("a", "b"));
                });
                out.integer("after", 2);
            });
            String::from_utf8(written).unwrap()
        };
        assert_eq!(write(9), r#"{"before":1,"part":{"a":"b"},"after":2}"#);
        assert_eq!(
            write(8),
            "{\"before\":1,\"part\":{\"omitted\":true,\"originalSize\":9,\"sha256\":\
             \"db4a7ecb114bc66c623a06c4ff6fe8daa2f49cc270ebbf7a1f81e22ab061c837\"},\"after\":2}"
        );
    }
}
