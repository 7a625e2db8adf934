//! What others have said, as it may be shown: in part, and without what could disturb a terminal or forge a line of a
//! log.

/// The longest text of others that is shown, in characters.
pub const MAX: usize = 300;
/// The longest message of a service, in characters: the reason stands at its end, behind two ARNs.
pub const MAX_MESSAGE: usize = 1000;

/// The beginning of a text, with control characters and others that cannot be printed escaped.
pub fn shown(text: &str) -> String {
    cut(text, MAX)
}

/// The same for a message of a service.
pub fn message(text: &str) -> String {
    cut(text, MAX_MESSAGE)
}

fn cut(text: &str, most: usize) -> String {
    // Quotation marks are harmless, and AWS's messages are full of them.
    let escaped = text.trim().chars().flat_map(|c| {
        let harmless = matches!(c, '\'' | '"').then_some(c);
        let escaped = harmless.is_none().then(|| c.escape_debug());
        harmless.into_iter().chain(escaped.into_iter().flatten())
    });
    escaped.take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_escaped() {
        assert_eq!(shown(" User: 'ä' \"b\" "), "User: 'ä' \"b\"");
        assert_eq!(
            shown("a\nERROR \u{1b}[2J\u{202e}\\"),
            r"a\nERROR \u{1b}[2J\u{202e}\\"
        );
        assert_eq!(shown(&"x".repeat(5000)).len(), MAX);
        assert_eq!(message(&"x".repeat(5000)).len(), MAX_MESSAGE);
        assert_eq!(shown(&"\0".repeat(5000)).len(), MAX);
    }
}
