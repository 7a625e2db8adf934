//! How much of a request is repeated in messages. AWS repeats values in full, but the answer and
//! the event to a request of half a megabyte must not be several times as long.

use std::{borrow::Cow, fmt};

/// The most bytes of one value, or of one list of values. The longest members that are not documents
/// have 10,240 characters: one that is somewhat too long is still repeated in full.
pub const MAX_VALUE: usize = 12 << 10;
/// The most bytes of a whole message in its longest form, which is escaped for XML.
pub const MAX_MESSAGE: usize = 32 << 10;
/// The same for callers that are not authenticated.
pub const MAX_STRANGERS_MESSAGE: usize = 4 << 10;

/// Stands for the rest.
const REST: &str = "...";

/// A value in a message: only its beginning, if it is longer than [`MAX_VALUE`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'v>(pub &'v str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = MAX_VALUE;
        part(f, self.0, &mut left).map(|_| ())
    }
}

/// The same for a list of values, cut as a whole: `a, b`.
#[derive(Clone, Copy, Debug)]
pub struct List<'v>(pub &'v [&'v str]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = MAX_VALUE;
        for (at, value) in self.0.iter().enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            if !part(f, separator, &mut left)? || !part(f, value, &mut left)? {
                break;
            }
        }
        Ok(())
    }
}

/// Writes as much as there is room for, and answers whether that was everything.
fn part(f: &mut fmt::Formatter<'_>, text: &str, left: &mut usize) -> Result<bool, fmt::Error> {
    let end = text.floor_char_boundary(*left);
    let (now, rest) = text.split_at(end);
    f.write_str(now)?;
    *left -= end;
    if rest.is_empty() {
        return Ok(true);
    }
    f.write_str(REST)?;
    Ok(false)
}

/// A message, cut to at most this many bytes on the wire, plus three dots.
pub fn message<'m>(text: impl Into<Cow<'m, str>>, most: usize) -> Cow<'m, str> {
    let text = text.into();
    // No character takes more than six times its bytes.
    if text.len() <= most / 6 {
        return text;
    }
    let mut taken = 0;
    let cut = text.char_indices().find(|(_, c)| {
        taken += on_the_wire(*c);
        taken > most
    });
    match cut.and_then(|(at, _)| text.get(..at)) {
        Some(start) => Cow::Owned(format!("{start}{REST}")),
        None => text,
    }
}

/// The most bytes that a character takes in XML or JSON.
fn on_the_wire(c: char) -> usize {
    match c {
        '&' | '<' | '>' | '"' | '\'' => "&quot;".len(),
        '\\' => 2,
        c if c.is_control() => "\\u0000".len(),
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_ordinary_length_is_repeated_in_full() {
        let value = "d".repeat(MAX_VALUE);
        assert_eq!(Value(&value).to_string(), value);
        assert_eq!(Value("").to_string(), "");
        assert_eq!(List(&["a", "", "b"]).to_string(), "a, , b");
    }

    #[test]
    fn a_longer_one_is_cut_between_two_characters() {
        let value = "d".repeat(MAX_VALUE - 1) + "éx";
        let cut = Value(&value).to_string();
        assert_eq!(cut, "d".repeat(MAX_VALUE - 1) + "...");
        let half = "d".repeat(MAX_VALUE / 2);
        let cut = List(&[&half, &half, &half]).to_string();
        assert_eq!(cut, format!("{half}, {}...", "d".repeat(MAX_VALUE / 2 - 2)));
        assert_eq!(List(&["x"; 10_000]).to_string().len(), MAX_VALUE + 3);
    }

    #[test]
    fn a_message_is_cut_by_what_it_takes_on_the_wire() {
        assert_eq!(message("short", 100), "short");
        let plain = "x".repeat(100);
        assert_eq!(message(&plain, 100), plain);
        assert_eq!(message(&plain, 99), "x".repeat(99) + "...");
        assert_eq!(message("'".repeat(100), 99), "'".repeat(16) + "...");
        assert_eq!(message("\u{1}".repeat(100), 99).len(), 16 + 3);
        assert_eq!(message("é".repeat(100), 99), "é".repeat(49) + "...");
    }
}
