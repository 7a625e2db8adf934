//! Where statements stand in the text of a document, for those who are shown what decided.

use crate::json::raw;

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
    let statement = raw::statements(text).into_iter().nth(index)?;
    let start = raw::offset(text, statement)?;
    let end = start + statement.len().checked_sub(1)?;
    Some((position(text, start), position(text, end)))
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

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "{\n  \"Statement\": [\n    {\n    }\n  ]\n}";
        let from = Position { line: 3, column: 5 };
        let to = Position { line: 4, column: 5 };
        assert_eq!(of_statement(text, 0), Some((from, to)));
        assert_eq!(of_statement(text, 1), None);
    }
}
