//! Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'company-wide'}`, `${*}`.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>

use crate::{
    attributes::{Scope, Values},
    pattern::{Token, tokens},
    work::Work,
};

/// A text with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Text as written; its `*` and `?` are wildcards where the place admits wildcards.
    Text(String),
    /// `${*}`, `${?}` or `${$}`: the character itself.
    Escaped(char),
    /// A variable.
    Variable {
        /// The condition key in lower case.
        key: String,
        /// The default for an absent key.
        default: Option<String>,
    },
}

/// A variable is not closed, has no name, or its default is not written `, '…'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Template {
    /// Reads a text of a policy. In policies before version 2012-10-17 nothing is a variable.
    pub(crate) fn parse(text: &str, variables: bool) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${").filter(|_| variables) {
            push_text(&mut pieces, before);
            let (piece, tail) = variable(after).ok_or(Malformed)?;
            pieces.push(piece);
            rest = tail;
        }
        push_text(&mut pieces, rest);
        Ok(Self { pieces })
    }

    /// Whether the value depends on the request.
    pub(crate) fn is_variable(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Variable { .. }))
    }

    /// The text without wildcards. `None` if a variable has no value.
    pub(crate) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Escaped(c) => out.push(*c),
                Piece::Variable { key, default } => {
                    resolve(key, default.as_deref(), scope, |value| out.push_str(value))?;
                }
            }
        }
        scope.work.charge(out.len()).then_some(out)
    }

    /// The pattern: substituted text matches literally, including `*` and `?`. `None` if a variable
    /// has no value.
    pub(crate) fn pattern(&self, scope: &Scope<'_>) -> Option<Vec<Token>> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend(tokens(text)),
                Piece::Escaped(c) => out.push(Token::Char(*c)),
                Piece::Variable { key, default } => {
                    resolve(key, default.as_deref(), scope, |value| {
                        out.extend(value.chars().map(Token::Char));
                    })?;
                }
            }
        }
        scope.work.charge(out.len()).then_some(out)
    }

    /// The text, if it does not depend on the request.
    pub(crate) fn fixed_text(&self) -> Option<String> {
        self.text(&Scope::nothing(&Work::new(u64::MAX)))
            .filter(|_| !self.is_variable())
    }

    /// The pattern, if it does not depend on the request.
    pub(crate) fn fixed_pattern(&self) -> Option<Vec<Token>> {
        self.pattern(&Scope::nothing(&Work::new(u64::MAX)))
            .filter(|_| !self.is_variable())
    }

    /// The first `parts` parts between colons, which must be free of variables, and the rest.
    pub(crate) fn split_parts(&self, parts: usize) -> Option<(Vec<Vec<Token>>, Self)> {
        let mut heads: Vec<Vec<Token>> = Vec::new();
        let mut head = Vec::new();
        let mut pieces = self.pieces.iter();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Variable { .. } => return None,
                Piece::Escaped(c) => head.push(Token::Char(*c)),
                Piece::Text(text) => {
                    let mut rest = text.as_str();
                    while let Some((before, after)) = rest.split_once(':') {
                        head.extend(tokens(before));
                        heads.push(std::mem::take(&mut head));
                        rest = after;
                        if heads.len() == parts {
                            let mut tail = Vec::new();
                            push_text(&mut tail, rest);
                            tail.extend(pieces.cloned());
                            return Some((heads, Self { pieces: tail }));
                        }
                    }
                    head.extend(tokens(rest));
                }
            }
        }
        None
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Reads a variable after its `${`, and what follows its `}`.
fn variable(text: &str) -> Option<(Piece, &str)> {
    let end = text.find([',', '}'])?;
    let (name, rest) = text.split_at_checked(end)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return match name {
            "" => None,
            "*" => Some((Piece::Escaped('*'), rest)),
            "?" => Some((Piece::Escaped('?'), rest)),
            "$" => Some((Piece::Escaped('$'), rest)),
            _ => {
                let key = key(name)?;
                let default = None;
                Some((Piece::Variable { key, default }, rest))
            }
        };
    }
    let (default, rest) = rest.strip_prefix(", '")?.split_once('\'')?;
    let key = key(name)?;
    let default = Some(default.to_owned());
    Some((Piece::Variable { key, default }, rest.strip_prefix('}')?))
}

fn key(name: &str) -> Option<String> {
    let legal = !name.is_empty() && !name.contains(['$', '{', '\'']);
    legal.then(|| name.to_lowercase())
}

fn resolve(
    key: &str,
    default: Option<&str>,
    scope: &Scope<'_>,
    mut take: impl FnMut(&str),
) -> Option<()> {
    scope.work.charge(8);
    match scope.context.values(key) {
        Values::One(value) => take(&value),
        Values::Absent => take(default?),
        Values::Many(values) if values.is_empty() => take(default?),
        // A multivalued key has no single value to substitute.
        Values::Many(_) | Values::Clash(_) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_literal_and_defaults_are_kept() {
        let template = Template::parse("a${*}b*${aws:PrincipalTag/Team, 'x y'}", true).unwrap();
        assert_eq!(
            template.pieces,
            [
                Piece::Text("a".into()),
                Piece::Escaped('*'),
                Piece::Text("b*".into()),
                Piece::Variable {
                    key: "aws:principaltag/team".into(),
                    default: Some("x y".into())
                },
            ]
        );
        assert!(template.is_variable());
    }

    #[test]
    fn before_2012_10_17_nothing_is_a_variable() {
        let template = Template::parse("${aws:username", false).unwrap();
        assert_eq!(template.fixed_text().as_deref(), Some("${aws:username"));
    }

    #[test]
    fn malformed_variables_are_refused() {
        for bad in [
            "${",
            "${}",
            "${aws:username",
            "${aws:username,'x'}",
            "${aws:username, x}",
            "${aws:username, 'x}",
            "${aws:username, 'x'",
            "${, 'x'}",
            "${${aws:username}}",
        ] {
            assert_eq!(Template::parse(bad, true), Err(Malformed), "{bad}");
        }
    }
}
