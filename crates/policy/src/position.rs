//! Where statements stand in the text of a document, for those who are shown what decided.

/// A place in a text: line and column, each from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// The first and the last character of a statement, by its place in the document from 0. None if
/// the text has no such statement.
///
/// The text must be a document that was read ([`crate::document::Document::parse`]).
pub fn of_statement(text: &str, index: usize) -> Option<(Position, Position)> {
    let (start, end) = statements(text).into_iter().nth(index)?;
    Some((position(text, start), position(text, end)))
}

/// The bytes at which each statement begins and ends, the ends included.
fn statements(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut depth, mut start, mut in_statement) = (0_usize, None, false);
    let mut list = false;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                let length = string_length(rest);
                if depth == 1 && !in_statement && is_name(rest, length) {
                    in_statement = rest.get(..length) == Some("Statement");
                }
                // Over the text and its closing quote.
                while letters
                    .next()
                    .is_some_and(|(next, _)| next < at + 1 + length)
                {}
            }
            '[' if in_statement && depth == 1 => {
                list = true;
                depth += 1;
            }
            '{' | '[' => {
                if in_statement && start.is_none() && letter == '{' {
                    start = Some((at, depth));
                }
                depth += 1;
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if let Some((began, level)) = start
                    && level == depth
                {
                    found.push((began, at));
                    start = None;
                    in_statement = list;
                } else if letter == ']' && in_statement && depth == 1 {
                    in_statement = false;
                    list = false;
                }
            }
            _ => {}
        }
    }
    found
}

/// How many bytes stand before the quote that closes a string.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    rest.len()
}

/// Whether the string is a member's name: a colon follows.
fn is_name(rest: &str, length: usize) -> bool {
    let after = rest.get(length + 1..).unwrap_or_default();
    after.trim_start().starts_with(':')
}

fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    Position {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let spans = statements(text);
        let text = |(from, to): &(usize, usize)| text.get(*from..=*to).unwrap();
        spans.iter().map(text).collect()
    }

    #[test]
    fn statements_are_found_alone_and_in_a_list() {
        let one = r#"{"Id":"Statement","Statement":{"Sid":"{\"}","Effect":"Allow"},"Version":"x"}"#;
        assert_eq!(found(one), [r#"{"Sid":"{\"}","Effect":"Allow"}"#]);
        let two = r#"{"Statement":[{"Condition":{"a":{"b":["c"]}}} , {"Sid":"]"}],"Version":"{"}"#;
        let expect = [r#"{"Condition":{"a":{"b":["c"]}}}"#, r#"{"Sid":"]"}"#];
        assert_eq!(found(two), expect);
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "{\n  \"Statement\": [\n    {\n    }\n  ]\n}";
        let from = Position { line: 3, column: 5 };
        let to = Position { line: 4, column: 5 };
        assert_eq!(of_statement(text, 0), Some((from, to)));
        assert_eq!(of_statement(text, 1), None);
    }
}
