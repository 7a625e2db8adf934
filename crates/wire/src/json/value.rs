//! The decoded request body. Text is borrowed from the body unless it had escapes.

use std::{borrow::Cow, fmt};

/// A JSON object: members in the order of the body, with unique names.
#[derive(Clone, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// A JSON value.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`, which AWS treats like an absent member.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// A JSON number, as exact as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Fits 64 bits with sign.
    Integer(i64),
    /// Above `i64::MAX`.
    Large(u64),
    /// Written with a fraction or an exponent, or beyond 64 bits.
    Float(f64),
}

impl<'a> Object<'a> {
    pub(crate) fn from_members(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        Self(members)
    }

    /// The value of a member; `null` counts as absent.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, value)| value)
            .filter(|value| !matches!(value, Value::Null))
    }

    /// All members in the order of the body, including those that are `null`.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// All members, each with its name.
    pub(crate) fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.0.into_iter()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Number {
    /// The integer, if there is no fraction and it fits.
    pub fn as_integer(self) -> Option<i64> {
        // 2^63: the first float that no i64 holds.
        const END: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Self::Integer(n) => Some(n),
            Self::Large(_) => None,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "range and fraction are checked"
            )]
            Self::Float(n) if n.fract() == 0.0 && (-END..END).contains(&n) => Some(n as i64),
            Self::Float(_) => None,
        }
    }

    /// The nearest float.
    pub fn as_float(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the nearest float is what is asked for"
        )]
        match self {
            Self::Integer(n) => n as f64,
            Self::Large(n) => n as f64,
            Self::Float(n) => n,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => write!(f, "{n}"),
            Self::Large(n) => write!(f, "{n}"),
            Self::Float(n) => write!(f, "{n:?}"),
        }
    }
}

impl fmt::Debug for Object<'_> {
    // Bodies contain plaintexts: names are shown, but never values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl fmt::Debug for Value<'_> {
    // As for objects: only the kind of value is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean",
            Self::Number(_) => "Number",
            Self::Text(_) => "Text",
            Self::List(_) => "List",
            Self::Object(_) => "Object",
        })
    }
}
