//! The AWS Query protocol: form parameters whose dotted names form lists and structures.
//!
//! `Tags.member.1.Key=a&Tags.member.1.Value=b` becomes the same tree a JSON body would, so that
//! members are read by the same [`Members`], with the same messages.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

mod form;

use std::{borrow::Cow, collections::BTreeMap};

pub use form::Form;
use percent_encoding::percent_decode;

use crate::json::{Members, Object, Value, members_of_query};

/// The limits of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Parameters.
    pub parameters: usize,
    /// Segments of a parameter's dotted name.
    pub depth: usize,
}

impl Limits {
    /// Large enough for every request of IAM and STS. The largest parameter is a policy of 131,072
    /// characters (in simulations), each of which may be escaped.
    pub const AWS: Self = Self {
        bytes: 1 << 20,
        parameters: 2048,
        depth: 10,
    };
}

/// Why text cannot be read as parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// Longer than [`Limits::bytes`].
    #[error("the request is too large")]
    TooLarge,
    /// More parameters than [`Limits::parameters`], or a name deeper than [`Limits::depth`].
    #[error("the request has too many parameters")]
    TooMany,
    /// Not UTF-8 after percent-decoding.
    #[error("a parameter is not UTF-8")]
    NotUtf8,
    /// A name occurs twice.
    #[error("a parameter occurs twice")]
    Duplicate,
    /// A name is used both for a value and for a structure or list, or the index of a list is
    /// malformed.
    #[error("parameter names contradict each other")]
    Contradiction,
}

/// The parameters of one request.
#[derive(Debug)]
pub struct Params<'a>(Object<'a>);

impl<'a> Params<'a> {
    /// Reads a form body or a query string.
    pub fn parse(text: &'a [u8], limits: &Limits) -> Result<Self, ParamsError> {
        if text.len() > limits.bytes {
            return Err(ParamsError::TooLarge);
        }
        let mut root = Node::default();
        let pairs = text
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty());
        for (at, pair) in pairs.enumerate() {
            if at >= limits.parameters {
                return Err(ParamsError::TooMany);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            root.insert(name, value, limits.depth)?;
        }
        match root.into_value()? {
            Value::Object(object) => Ok(Self(object)),
            // Only when there were no parameters, or their names were `member.N`.
            _ => Ok(Self(Object::default())),
        }
    }

    /// The same parameters for an API whose lists call their items by these names as well as `member`:
    /// `Tags.Tag.1.Key=a`. In other APIs that is a structure.
    ///
    /// # Errors
    /// [`ParamsError::Contradiction`] when an index is malformed.
    pub fn with_items(self, names: &[&str]) -> Result<Self, ParamsError> {
        match listed(Value::Object(self.0), names)? {
            Value::Object(object) => Ok(Self(object)),
            // Only when the one parameter is named like an item, which no operation has.
            _ => Ok(Self(Object::default())),
        }
    }

    /// The text of a parameter without dots in its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What the request asks for.
    pub fn action(&self) -> Option<&str> {
        self.get("Action")
    }

    /// The parameters as a tree.
    pub fn object(&self) -> &Object<'a> {
        &self.0
    }

    /// Typed access. Messages do not contain values, as in IAM.
    pub fn members(&self) -> Members<'_> {
        members_of_query(&self.0, false)
    }

    /// Typed access. Messages contain values, as in STS.
    pub fn members_with_values(&self) -> Members<'_> {
        members_of_query(&self.0, true)
    }
}

/// A tree of parameters, before it is turned into values.
#[derive(Default)]
struct Node<'a> {
    text: Option<Cow<'a, str>>,
    // In order of the names, so that the same parameters always make the same tree.
    children: BTreeMap<Cow<'a, str>, Node<'a>>,
}

impl<'a> Node<'a> {
    fn insert(
        &mut self,
        name: Cow<'a, str>,
        value: Cow<'a, str>,
        depth: usize,
    ) -> Result<(), ParamsError> {
        let mut node = self;
        let mut segments = 0;
        match name {
            Cow::Borrowed(name) => {
                for segment in name.split('.') {
                    segments += 1;
                    node = node.children.entry(Cow::Borrowed(segment)).or_default();
                    if segments >= depth {
                        return Err(ParamsError::TooMany);
                    }
                }
            }
            Cow::Owned(name) => {
                for segment in name.split('.') {
                    segments += 1;
                    node = node
                        .children
                        .entry(Cow::Owned(segment.to_owned()))
                        .or_default();
                    if segments >= depth {
                        return Err(ParamsError::TooMany);
                    }
                }
            }
        }
        match node.text.replace(value) {
            Some(_) => Err(ParamsError::Duplicate),
            None => Ok(()),
        }
    }

    fn into_value(self) -> Result<Value<'a>, ParamsError> {
        let Self { text, mut children } = self;
        if let Some(text) = text {
            if !children.is_empty() {
                return Err(ParamsError::Contradiction);
            }
            return Ok(Value::Text(text));
        }
        if children.len() == 1
            && let Some(elements) = children.remove("member")
        {
            return elements.into_list();
        }
        let mut members = Vec::with_capacity(children.len());
        for (name, node) in children {
            members.push((name, node.into_value()?));
        }
        Ok(Value::Object(Object::from_members(members)))
    }

    /// The children `1`, `2`, … in order of their numbers. Gaps are closed, as AWS does.
    fn into_list(self) -> Result<Value<'a>, ParamsError> {
        if self.text.is_some() {
            return Err(ParamsError::Contradiction);
        }
        let mut elements = BTreeMap::new();
        for (index, node) in self.children {
            elements.insert(number(&index)?, node.into_value()?);
        }
        Ok(Value::List(elements.into_values().collect()))
    }
}

/// The index of an item of a list.
fn number(index: &str) -> Result<u32, ParamsError> {
    let number: u32 = index.parse().map_err(|_| ParamsError::Contradiction)?;
    // Numbers have one spelling; otherwise `1` and `01` would be two elements.
    if number == 0 || index.starts_with('0') || index.starts_with('+') {
        return Err(ParamsError::Contradiction);
    }
    Ok(number)
}

/// A value in which whatever has items of these names alone is a list. It is as deep as
/// [`Limits::depth`] allows.
fn listed<'a>(value: Value<'a>, names: &[&str]) -> Result<Value<'a>, ParamsError> {
    match value {
        Value::Object(object) => {
            let is_list = object.len() == 1
                && object.members().any(|(name, items)| {
                    names.contains(&name) && matches!(items, Value::Object(_))
                });
            let mut members = Vec::with_capacity(object.len());
            for (name, inner) in object.into_members() {
                match inner {
                    Value::Object(items) if is_list => {
                        let mut elements = BTreeMap::new();
                        for (index, item) in items.into_members() {
                            elements.insert(number(&index)?, listed(item, names)?);
                        }
                        return Ok(Value::List(elements.into_values().collect()));
                    }
                    inner => members.push((name, listed(inner, names)?)),
                }
            }
            Ok(Value::Object(Object::from_members(members)))
        }
        Value::List(items) => {
            let items = items.into_iter().map(|item| listed(item, names));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        other => Ok(other),
    }
}

/// Decodes `application/x-www-form-urlencoded` text, borrowing where nothing was encoded.
fn decode(text: &[u8]) -> Result<Cow<'_, str>, ParamsError> {
    if !text.contains(&b'+') {
        return percent_decode(text)
            .decode_utf8()
            .map_err(|_| ParamsError::NotUtf8);
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let bytes = percent_decode(&spaced).collect();
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| ParamsError::NotUtf8)
}
