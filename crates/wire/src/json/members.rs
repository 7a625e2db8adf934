//! Typed access to the members of a request: one call per member of AWS's model, with its
//! constraints. What fails is collected, and told all at once in AWS's words.
//!
//! ```
//! use keyward_wire::json::{Limits, Members, Object};
//!
//! let body = Object::parse(br#"{"KeyId":""}"#, &Limits::KMS)?;
//! let mut m = Members::of(&body);
//! let key_id = m.string("KeyId").length(1, 2048).required();
//! let bytes = m.integer("NumberOfBytes").range(1, 1024).optional();
//! assert_eq!(
//!     m.finish().unwrap_err().to_string(),
//!     "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: \
//!      Member must have length greater than or equal to 1",
//! );
//! # let _ = (key_id, bytes);
//! # Ok::<(), keyward_wire::json::DecodeError>(())
//! ```
//!
//! `required()` of a missing member answers a placeholder, since `finish` fails then; so an
//! operation must call [`Members::finish`] before it believes any value.

pub mod lists;
pub mod scalars;

use std::fmt;

use lists::{Integers, StringMap, Strings, Structure, Structures};
use scalars::{Blob, Boolean, Double, Enumeration, Integer, Text, Time};

use super::{
    constraint::{Constraint, Shown},
    value::{Object, Value},
};

/// The protocol of the members: protocols differ in how a value may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON has types, and a value of another type is a `SerializationException`.
    Json,
    /// Everything is text; numbers, booleans and times are parsed from it.
    Query,
}

/// Members of one structure of a request.
#[derive(Debug)]
pub struct Members<'o> {
    pub(super) object: &'o Object<'o>,
    pub(super) protocol: Protocol,
    shows_values: bool,
    prefix: String,
    failures: Vec<String>,
    refusal: Option<String>,
    mismatch: Option<Mismatch>,
}

/// Why the members do not fit the model. Its `Display` is the message on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A JSON member has another type than the model's.
    #[error("{0}")]
    Serialization(Mismatch),
    /// A Query parameter is not the text of a value of its type.
    #[error("{0}")]
    MalformedInput(Mismatch),
    /// Constraints of the model are broken, in the JSON protocol.
    #[error("{0}")]
    Validation(Box<str>),
    /// Constraints of the model are broken, in the Query protocol.
    #[error("{0}")]
    QueryValidation(Box<str>),
}

/// A value of one type where the model has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub(super) found: BodyType,
    pub(super) wanted: ModelType,
}

/// The type in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyType {
    Boolean(bool),
    Number,
    Text,
    List,
    Object,
}

/// The type in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelType {
    Blob,
    Boolean,
    Double,
    Integer,
    List,
    Map,
    Structure,
    Text,
    Time,
}

impl BodyType {
    pub(super) fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Number(_) => Self::Number,
            Value::Text(_) | Value::Null => Self::Text,
            Value::List(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = match (self.found, self.wanted) {
            (_, ModelType::List) => return f.write_str("Expected list or null"),
            (_, ModelType::Map | ModelType::Structure) => {
                return f.write_str("Expected structure or null");
            }
            (BodyType::Object, _) => {
                return f.write_str("Start of structure or map found where not expected.");
            }
            (BodyType::List, _) => return f.write_str("Start of list found where not expected"),
            (BodyType::Text, ModelType::Blob) => {
                return f.write_str("Blobs must be base64 with padding.");
            }
            (BodyType::Boolean(true), _) => "TRUE_VALUE",
            (BodyType::Boolean(false), _) => "FALSE_VALUE",
            (BodyType::Number, _) => "NUMBER_VALUE",
            (BodyType::Text, _) => "STRING_VALUE",
        };
        let wanted = match self.wanted {
            ModelType::Blob => "a Blob",
            ModelType::Boolean => "a Boolean",
            ModelType::Double => "a Double",
            ModelType::Integer => "an Integer",
            ModelType::Time => "a Timestamp",
            ModelType::List | ModelType::Map | ModelType::Structure | ModelType::Text => "a String",
        };
        write!(f, "{token} can not be converted to {wanted}")
    }
}

impl<'o> Members<'o> {
    /// The members of a JSON request.
    pub fn of(object: &'o Object<'o>) -> Self {
        Self::with(object, Protocol::Json, true)
    }

    pub(crate) fn with(object: &'o Object<'o>, protocol: Protocol, shows_values: bool) -> Self {
        Self {
            object,
            protocol,
            shows_values,
            prefix: String::new(),
            failures: Vec::new(),
            refusal: None,
            mismatch: None,
        }
    }

    /// Whether a member is present and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some()
    }

    /// A string member.
    pub fn string(&mut self, name: &'static str) -> Text<'_, 'o> {
        Text::new(self, name)
    }

    /// A string member that is one of a list of words; messages list them in this order.
    pub fn enumeration(
        &mut self,
        name: &'static str,
        words: &'static [&'static str],
    ) -> Enumeration<'_, 'o> {
        Enumeration::new(self, name, words)
    }

    /// A blob member: base64 in the body, bytes in the answer.
    pub fn blob(&mut self, name: &'static str) -> Blob<'_, 'o> {
        Blob::new(self, name)
    }

    /// An integer member. `2.0` is accepted for `2`.
    pub fn integer(&mut self, name: &'static str) -> Integer<'_, 'o> {
        Integer::new(self, name)
    }

    /// A member that is a number with or without fraction.
    pub fn double(&mut self, name: &'static str) -> Double<'_, 'o> {
        Double::new(self, name)
    }

    /// A boolean member.
    pub fn boolean(&mut self, name: &'static str) -> Boolean<'_, 'o> {
        Boolean::new(self, name)
    }

    /// A timestamp member: epoch seconds with or without fraction in JSON, ISO 8601 in Query.
    pub fn timestamp(&mut self, name: &'static str) -> Time<'_, 'o> {
        Time::new(self, name)
    }

    /// A map member of strings to strings.
    pub fn string_map(&mut self, name: &'static str) -> StringMap<'_, 'o> {
        StringMap::new(self, name)
    }

    /// A list member of strings.
    pub fn strings(&mut self, name: &'static str) -> Strings<'_, 'o> {
        Strings::new(self, name)
    }

    /// A list member of integers.
    pub fn integers(&mut self, name: &'static str) -> Integers<'_, 'o> {
        Integers::new(self, name)
    }

    /// A list member of words out of `words`.
    pub fn enumerations(
        &mut self,
        name: &'static str,
        words: &'static [&'static str],
    ) -> Strings<'_, 'o> {
        Strings::new(self, name).each_one_of(words)
    }

    /// A structure member, its own members read by `read`.
    pub fn structure<T, F>(&mut self, name: &'static str, read: F) -> Structure<'_, 'o, F>
    where
        F: FnOnce(&mut Members<'o>) -> T,
    {
        Structure::new(self, name, read)
    }

    /// A list member of structures, each read by `read`.
    pub fn structures<T, F>(&mut self, name: &'static str, read: F) -> Structures<'_, 'o, F>
    where
        F: FnMut(&mut Members<'o>) -> T,
    {
        Structures::new(self, name, read)
    }

    /// Everything that failed, in the order in which the members were read. A value of the wrong
    /// type takes precedence over broken constraints, since AWS decodes before it validates, and
    /// these take precedence over the first broken rule of the service's own ([`Text::rule`]).
    pub fn finish(self) -> Result<(), Rejected> {
        if let Some(mismatch) = self.mismatch {
            return Err(match self.protocol {
                Protocol::Json => Rejected::Serialization(mismatch),
                Protocol::Query => Rejected::MalformedInput(mismatch),
            });
        }
        let message = match (self.failures.len(), self.refusal) {
            (0, None) => return Ok(()),
            (0, Some(refusal)) => refusal,
            (count, _) => {
                let errors = if count == 1 { "error" } else { "errors" };
                let failures = self.failures.join("; ");
                format!("{count} validation {errors} detected: {failures}")
            }
        };
        Err(match self.protocol {
            Protocol::Json => Rejected::Validation(message.into()),
            Protocol::Query => Rejected::QueryValidation(message.into()),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'o Value<'o>> {
        self.object.get(name)
    }

    pub(super) fn mismatched(&mut self, value: &Value<'_>, wanted: ModelType) {
        self.mismatch.get_or_insert(Mismatch {
            found: BodyType::of(value),
            wanted,
        });
    }

    pub(super) fn missing(&mut self, name: &str, sensitive: bool) {
        let shown = if sensitive {
            Shown::Nothing
        } else {
            Shown::Null
        };
        self.failed(name, &shown, Constraint::NotNull);
    }

    pub(super) fn failed(&mut self, name: &str, shown: &Shown<'_>, constraint: impl fmt::Display) {
        let shown = if self.shows_values {
            shown
        } else {
            &Shown::Nothing
        };
        let (prefix, name) = (&self.prefix, LowerCamel(name));
        self.failures.push(format!(
            "Value{shown} at '{prefix}{name}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// Notes that a rule of the service's own is broken. The first one is reported.
    pub(super) fn refused(&mut self, message: String) {
        self.refusal.get_or_insert(message);
    }

    /// Members of a structure inside this one, under `path` (which ends with a dot).
    pub(super) fn inner(&self, object: &'o Object<'o>, path: fmt::Arguments<'_>) -> Self {
        Self {
            object,
            protocol: self.protocol,
            shows_values: self.shows_values,
            prefix: format!("{}{path}", self.prefix),
            failures: Vec::new(),
            refusal: None,
            mismatch: None,
        }
    }

    /// Adds the failures inside a structure.
    pub(super) fn absorb(&mut self, inner: Self) {
        self.failures.extend(inner.failures);
        self.refusal = self.refusal.take().or(inner.refusal);
        self.mismatch = self.mismatch.or(inner.mismatch);
    }
}

/// A member's name in messages: the wire name with a lower-case first letter.
pub(super) struct LowerCamel<'n>(pub(super) &'n str);

impl fmt::Display for LowerCamel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        if let Some(first) = letters.next() {
            write!(f, "{}{}", first.to_ascii_lowercase(), letters.as_str())?;
        }
        Ok(())
    }
}
