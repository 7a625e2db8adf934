//! Where statements are in the text of a document, to show which one decided.

use crate::json::raw;

/// A place in a text: line and column, each from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// The first and the last character of every statement, in their order.
///
/// The text must be a document that was read ([`crate::document::Document::parse`]).
pub fn of_statements(text: &str) -> Vec<(Position, Position)> {
    let mut letters = Letters {
        rest: text.char_indices(),
        here: Position { line: 1, column: 1 },
    };
    let ends = |statement: &str| {
        let start = raw::offset(text, statement)?;
        Some((start, start + statement.len().checked_sub(1)?))
    };
    raw::statements(text)
        .into_iter()
        .filter_map(ends)
        .map(|(start, end)| (letters.up_to(start), letters.up_to(end)))
        .collect()
}

/// A text that is read once, from its beginning, with the position of the next letter.
struct Letters<'t> {
    rest: std::str::CharIndices<'t>,
    here: Position,
}

impl Letters<'_> {
    /// The position of the letter at that byte.
    fn up_to(&mut self, byte: usize) -> Position {
        let before = self.rest.clone().take_while(|(at, _)| *at < byte).count();
        for (_, letter) in self.rest.by_ref().take(before) {
            if letter == '\n' {
                self.here.line += 1;
                self.here.column = 1;
            } else {
                self.here.column += 1;
            }
        }
        self.here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "{\n  \"Statement\": [\n    {\n    }, {\"é\":1}\n  ]\n}";
        let at = |line, column| Position { line, column };
        let first = (at(3, 5), at(4, 5));
        let second = (at(4, 8), at(4, 14));
        assert_eq!(of_statements(text), [first, second]);
        assert_eq!(
            of_statements("{\"Statement\": {}}"),
            [(at(1, 15), at(1, 16))]
        );
    }
}
