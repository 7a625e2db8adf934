//! Text of strangers on a terminal. An image, the manifest of a copy, a stream or an answer may say anything, and nothing
//! has been authenticated by the time at which a command shows it: a terminal must not interpret it.
//!
//! Such a character becomes `\u001b`, as in JSON, so that JSON stays the same JSON.

use std::{
    error::Error,
    fmt::{self, Write as _},
};

/// A value within a line: everything that could disturb the terminal or begin another line is escaped.
#[derive(Clone, Copy, Debug)]
pub struct Value<'v>(pub &'v str);

/// A whole text: as [`Value`], but with its lines and tabs.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t>(pub &'t str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(f, self.0, disturbs)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(f, self.0, |c| disturbs(c) && !matches!(c, '\n' | '\t'))
    }
}

fn escaped(f: &mut fmt::Formatter<'_>, text: &str, is_escaped: fn(char) -> bool) -> fmt::Result {
    for c in text.chars() {
        if is_escaped(c) {
            write!(f, "\\u{:04x}", u32::from(c))?;
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}

/// Control characters, ends of lines, and what changes the direction of the text around it.
fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An error with its causes, in one line. A cause is left out if what is before it has its words already: some errors
/// quote their own cause.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !said.contains(&words) {
            said.push_str(": ");
            said.push_str(&words);
        }
        next = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "\u{1b}]0;t\u{7}\u{9b}2J\r\n\ta\u{202e}b\u{7f}";

    #[test]
    fn a_terminal_obeys_nothing_of_what_is_shown() {
        assert_eq!(
            Value(EVIL).to_string(),
            r"\u001b]0;t\u0007\u009b2J\u000d\u000a\u0009a\u202eb\u007f"
        );
        assert_eq!(
            Text(EVIL).to_string(),
            "\\u001b]0;t\\u0007\\u009b2J\\u000d\n\ta\\u202eb\\u007f"
        );
        let usual = "arn:aws:kms:eu-central-1:111122223333:key/ü \u{1f511} \\n";
        assert_eq!(Value(usual).to_string(), usual);
    }

    #[test]
    fn a_cause_that_is_quoted_is_not_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("it is not sent")]
        struct Outer(#[source] Quoting);
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open `x`: {source}")]
        struct Quoting {
            source: Inner,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("permission denied")]
        struct Inner;
        assert_eq!(
            with_causes(&Outer(Quoting { source: Inner })),
            "it is not sent: cannot open `x`: permission denied"
        );
    }
}
