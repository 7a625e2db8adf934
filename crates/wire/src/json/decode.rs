//! From bytes to [`Object`]: serde_json's tokens, within limits, and with unique names in every
//! object.

use std::{borrow::Cow, cell::Cell, collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::value::{Number, Object, Value};

/// Objects up to this many members are searched for a repeated name by comparing all pairs,
/// which costs no allocation.
const PAIRWISE: usize = 24;

/// The limits of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole body.
    pub bytes: usize,
    /// Nested objects and arrays, including the outermost object.
    pub depth: usize,
    /// Members of one object.
    pub members: usize,
    /// Elements of one array.
    pub elements: usize,
    /// Values in the whole body.
    pub values: usize,
}

impl Limits {
    /// Large enough for every request of the KMS model. The largest member is a key policy of
    /// 131,072 characters, each of which may be escaped.
    pub const KMS: Self = Self {
        bytes: 1 << 20,
        depth: 16,
        members: 512,
        elements: 512,
        values: 2048,
    };
}

/// Why bytes are not a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`Limits::bytes`].
    #[error("the request body is too large")]
    TooLarge,
    /// Not JSON, or JSON with something after it.
    #[error("the request body is not valid JSON")]
    Syntax,
    /// JSON, but not an object.
    #[error("the request body is not a JSON object")]
    NotAnObject,
    /// Deeper than [`Limits::depth`].
    #[error("the request body is nested too deeply")]
    TooDeep,
    /// More members, elements or values than the limits allow.
    #[error("the request body holds too many values")]
    TooMany,
    /// A name occurs twice in an object.
    #[error("a member name occurs twice in one object of the request body")]
    DuplicateName,
}

impl<'a> Object<'a> {
    /// Decodes a request body. An empty body is an empty object, as at AWS.
    pub fn parse(body: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        if body.len() > limits.bytes {
            return Err(DecodeError::TooLarge);
        }
        if body.is_empty() {
            return Ok(Self::default());
        }
        let budget = Budget {
            limits,
            values: Cell::new(0),
            refused: Cell::new(None),
        };
        // Once for the whole body, not once for each of its strings.
        let text = std::str::from_utf8(body).map_err(|_| DecodeError::Syntax)?;
        let mut tokens = serde_json::Deserializer::from_str(text);
        let value = Seed {
            budget: &budget,
            depth: 0,
        }
        .deserialize(&mut tokens)
        .and_then(|value| tokens.end().map(|()| value))
        .map_err(|_| budget.refused.get().unwrap_or(DecodeError::Syntax))?;
        match value {
            Value::Object(object) => Ok(object),
            Value::Null
            | Value::Boolean(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_) => Err(DecodeError::NotAnObject),
        }
    }
}

/// What is left of the limits. The reason for a failure is kept next to serde's error, which can
/// hold only text.
struct Budget<'l> {
    limits: &'l Limits,
    values: Cell<usize>,
    refused: Cell<Option<DecodeError>>,
}

impl Budget<'_> {
    fn refuse<E: serde::de::Error>(&self, reason: DecodeError) -> E {
        self.refused.set(Some(reason));
        E::custom(reason)
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        let values = self.values.get() + 1;
        self.values.set(values);
        if values > self.limits.values {
            return Err(self.refuse(DecodeError::TooMany));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Seed<'b, 'l> {
    budget: &'b Budget<'l>,
    depth: usize,
}

impl Seed<'_, '_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > self.budget.limits.depth {
            return Err(self.budget.refuse(DecodeError::TooDeep));
        }
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, tokens: D) -> Result<Value<'de>, D::Error> {
        self.budget.count()?;
        tokens.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(match i64::try_from(value) {
            Ok(value) => Number::Integer(value),
            Err(_) => Number::Large(value),
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = array.next_element_seed(inner)? {
            if elements.len() >= self.budget.limits.elements {
                return Err(self.budget.refuse(DecodeError::TooMany));
            }
            elements.push(element);
        }
        Ok(Value::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::with_capacity(4);
        while let Some(name) = object.next_key_seed(Name)? {
            if members.len() >= self.budget.limits.members {
                return Err(self.budget.refuse(DecodeError::TooMany));
            }
            let value = object.next_value_seed(inner)?;
            members.push((name, value));
        }
        if has_duplicate(&members) {
            return Err(self.budget.refuse(DecodeError::DuplicateName));
        }
        Ok(Value::Object(Object::from_members(members)))
    }
}

fn has_duplicate(members: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    if members.len() <= PAIRWISE {
        return members
            .iter()
            .enumerate()
            .any(|(at, (name, _))| members.iter().take(at).any(|(other, _)| other == name));
    }
    let mut seen = BTreeSet::new();
    !members.iter().all(|(name, _)| seen.insert(name.as_ref()))
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, tokens: D) -> Result<Self::Value, D::Error> {
        tokens.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
}
