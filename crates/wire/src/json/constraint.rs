//! The constraints of AWS's models, and the text for each violation.

use std::{fmt, fmt::Write as _};

use crate::echo;

/// A constraint of the model, in the order in which AWS lists several violations of one member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Constraint {
    NotNull,
    LengthAtLeast(usize),
    LengthAtMost(usize),
    ValueAtLeast(i64),
    ValueAtMost(i64),
    OneOf(&'static [&'static str]),
    Pattern(&'static str),
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull => f.write_str("Member must not be null"),
            Self::LengthAtLeast(n) => {
                write!(f, "Member must have length greater than or equal to {n}")
            }
            Self::LengthAtMost(n) => write!(f, "Member must have length less than or equal to {n}"),
            Self::ValueAtLeast(n) => {
                write!(f, "Member must have value greater than or equal to {n}")
            }
            Self::ValueAtMost(n) => write!(f, "Member must have value less than or equal to {n}"),
            Self::OneOf(words) => {
                f.write_str("Member must satisfy enum value set: [")?;
                separated(f, words.iter())?;
                f.write_char(']')
            }
            Self::Pattern(regex) => {
                write!(f, "Member must satisfy regular expression pattern: {regex}")
            }
        }
    }
}

/// `Member must satisfy constraint: [first, second]`: what every element of a list must satisfy.
pub(super) struct OfEach<'c>(pub(super) &'c [Constraint]);

impl fmt::Display for OfEach<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Member must satisfy constraint: [")?;
        separated(f, self.0.iter())?;
        f.write_char(']')
    }
}

fn separated(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (at, item) in items.enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// The text between `Value` and `at`.
pub(super) enum Shown<'v> {
    /// The member is missing: `Value null at`.
    Null,
    /// Its text: `Value 'text' at`.
    Text(&'v str),
    /// A list of texts: `Value '[a, b]' at`.
    List(&'v [&'v str]),
    /// A number: `Value '0' at`.
    Number(i64),
    /// A number with a fraction: `Value '0.5' at`.
    Double(f64),
    /// Nothing, for secrets and blobs: `Value at`.
    Nothing,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str(" null"),
            // Left out if it cannot be printed, like a secret.
            Self::Text(text) if text.chars().any(char::is_control) => Ok(()),
            Self::Text(text) => write!(f, " '{}'", echo::Value(text)),
            Self::List(texts) if texts.iter().any(|text| text.chars().any(char::is_control)) => {
                Ok(())
            }
            Self::List(texts) => write!(f, " '[{}]'", echo::List(texts)),
            Self::Number(number) => write!(f, " '{number}'"),
            Self::Double(number) => write!(f, " '{number:?}'"),
            Self::Nothing => Ok(()),
        }
    }
}
