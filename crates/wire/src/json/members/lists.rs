//! Readers of members that hold several values: lists, maps and structures.

use std::{borrow::Cow, fmt};

use smallvec::SmallVec;

use super::{LowerCamel, Members, ModelType, Protocol};
use crate::{
    echo,
    json::{
        constraint::{Constraint, OfEach, Shown},
        value::Value,
    },
};

/// Reads a list member of strings.
#[must_use = "a member is read by `required` or `optional`"]
pub struct Strings<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    value: Option<Vec<&'o str>>,
    count: Option<(usize, usize)>,
    of_each: SmallVec<[Constraint; 3]>,
    broken: bool,
    sensitive: bool,
}

impl fmt::Debug for Strings<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strings")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'m, 'o> Strings<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        let value = list(members, name).map(|elements| {
            let mut texts = Vec::with_capacity(elements.len());
            for element in elements.iter() {
                match element {
                    Value::Text(text) => texts.push(text.as_ref()),
                    other => members.mismatched(other, ModelType::Text),
                }
            }
            texts
        });
        let of_each = SmallVec::new();
        Self {
            members,
            name,
            value,
            count: None,
            of_each,
            broken: false,
            sensitive: false,
        }
    }

    /// The number of elements, both ends included.
    pub fn count(mut self, least: usize, most: usize) -> Self {
        self.count = Some((least, most));
        self
    }

    /// The number of characters of each element, both ends included.
    pub fn each_length(mut self, least: usize, most: usize) -> Self {
        self.of_each.push(Constraint::LengthAtMost(most));
        self.of_each.push(Constraint::LengthAtLeast(least));
        self.test(|text| (least..=most).contains(&text.chars().count()))
    }

    /// A regular expression for each element: the text AWS prints, and the test that decides.
    pub fn each_pattern(mut self, regex: &'static str, matches: impl Fn(&str) -> bool) -> Self {
        self.of_each.push(Constraint::Pattern(regex));
        self.test(matches)
    }

    /// Adds to messages that no element may be null. AWS says this for some lists and not for
    /// others; an element never is null.
    pub fn each_not_null(mut self) -> Self {
        self.of_each.push(Constraint::NotNull);
        self
    }

    pub(super) fn each_one_of(mut self, words: &'static [&'static str]) -> Self {
        self.of_each.push(Constraint::OneOf(words));
        self.test(|text| words.contains(&text))
    }

    /// Never shows the elements in messages.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The elements; missing is a failure.
    pub fn required(self) -> Vec<&'o str> {
        if !self.members.has(self.name) {
            self.members.missing(self.name, self.sensitive);
        }
        self.optional().unwrap_or_default()
    }

    /// The elements, if the list is there.
    pub fn optional(self) -> Option<Vec<&'o str>> {
        let texts = self.value?;
        let shown = match self.sensitive {
            true => Shown::Nothing,
            false => Shown::List(&texts),
        };
        check_count(self.members, self.name, &shown, texts.len(), self.count);
        if self.broken {
            self.members
                .failed(self.name, &shown, OfEach(&self.of_each));
        }
        Some(texts)
    }

    fn test(mut self, passes: impl Fn(&str) -> bool) -> Self {
        self.broken |= self.value.iter().flatten().any(|text| !passes(text));
        self
    }
}

/// Reads a list member of integers.
#[derive(Debug)]
#[must_use = "a member is read by `optional`"]
pub struct Integers<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    value: Option<Vec<i64>>,
    count: Option<(usize, usize)>,
    of_each: SmallVec<[Constraint; 3]>,
    broken: bool,
}

impl<'m, 'o> Integers<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        let value = list(members, name).map(|elements| {
            let mut integers = Vec::with_capacity(elements.len());
            for element in elements {
                let integer = match element {
                    Value::Number(number) => number.as_integer(),
                    _ => None,
                };
                match integer {
                    Some(integer) => integers.push(integer),
                    None => members.mismatched(element, ModelType::Integer),
                }
            }
            integers
        });
        Self {
            members,
            name,
            value,
            count: None,
            of_each: SmallVec::new(),
            broken: false,
        }
    }

    /// The number of elements, both ends included.
    pub fn count(mut self, least: usize, most: usize) -> Self {
        self.count = Some((least, most));
        self
    }

    /// The least and the greatest value of each element.
    pub fn each_range(mut self, least: i64, most: i64) -> Self {
        self.of_each.push(Constraint::ValueAtMost(most));
        self.of_each.push(Constraint::ValueAtLeast(least));
        let mut all = self.value.iter().flatten();
        self.broken |= all.any(|value| !(least..=most).contains(value));
        self
    }

    /// The elements, if the list is there.
    pub fn optional(self) -> Option<Vec<i64>> {
        let integers = self.value?;
        let texts: Vec<String> = integers.iter().map(i64::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let shown = Shown::List(&texts);
        check_count(self.members, self.name, &shown, integers.len(), self.count);
        if self.broken {
            self.members
                .failed(self.name, &shown, OfEach(&self.of_each));
        }
        Some(integers)
    }
}

/// Reads a map member of strings to strings.
#[derive(Debug)]
#[must_use = "a member is read by `required` or `optional`"]
pub struct StringMap<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
}

impl<'m, 'o> StringMap<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        Self { members, name }
    }

    /// The pairs; missing is a failure.
    pub fn required(self) -> Vec<(&'o str, Cow<'o, str>)> {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        self.optional().unwrap_or_default()
    }

    /// The pairs in their order, if the map is there. Numbers and booleans count as the text with
    /// which they are written, as in KMS's encryption contexts.
    pub fn optional(self) -> Option<Vec<(&'o str, Cow<'o, str>)>> {
        let value = self.members.get(self.name)?;
        let Value::Object(object) = value else {
            self.members.mismatched(value, ModelType::Map);
            return None;
        };
        let mut pairs = Vec::with_capacity(object.len());
        for (name, value) in object.members() {
            let text = match value {
                Value::Text(text) => Cow::Borrowed(text.as_ref()),
                Value::Boolean(true) => Cow::Borrowed("true"),
                Value::Boolean(false) => Cow::Borrowed("false"),
                Value::Number(number) => Cow::Owned(number.to_string()),
                // If the pair were left out, less would be authenticated than the caller wrote.
                Value::Null => {
                    let path = format!("{}.{}.member", LowerCamel(self.name), echo::Value(name));
                    self.members.missing(&path, false);
                    continue;
                }
                Value::List(_) | Value::Object(_) => {
                    self.members.mismatched(value, ModelType::Text);
                    continue;
                }
            };
            pairs.push((name, text));
        }
        Some(pairs)
    }
}

/// Reads a structure member.
#[must_use = "a member is read by `required` or `optional`"]
pub struct Structure<'m, 'o, F> {
    members: &'m mut Members<'o>,
    name: &'static str,
    read: F,
}

impl<F> fmt::Debug for Structure<'_, '_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Structure")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'m, 'o, F> Structure<'m, 'o, F> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str, read: F) -> Self {
        Self {
            members,
            name,
            read,
        }
    }

    /// What `read` returned, if it is there.
    pub fn optional<T>(self) -> Option<T>
    where
        F: FnOnce(&mut Members<'o>) -> T,
    {
        let value = self.members.get(self.name)?;
        let Value::Object(object) = value else {
            self.members.mismatched(value, ModelType::Structure);
            return None;
        };
        let mut inner = self
            .members
            .inner(object, format_args!("{}.", LowerCamel(self.name)));
        let made = (self.read)(&mut inner);
        self.members.absorb(inner);
        Some(made)
    }

    /// What `read` returned; if it is missing, that is a failure, and the answer is the default.
    pub fn required<T: Default>(self) -> T
    where
        F: FnOnce(&mut Members<'o>) -> T,
    {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        self.optional().unwrap_or_default()
    }
}

/// Reads a list member of structures.
#[must_use = "a member is read by `required` or `optional`"]
pub struct Structures<'m, 'o, F> {
    members: &'m mut Members<'o>,
    name: &'static str,
    read: F,
    count: Option<(usize, usize)>,
}

impl<F> fmt::Debug for Structures<'_, '_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Structures")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'m, 'o, F> Structures<'m, 'o, F> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str, read: F) -> Self {
        Self {
            members,
            name,
            read,
            count: None,
        }
    }

    /// The number of elements, both ends included.
    pub fn count(mut self, least: usize, most: usize) -> Self {
        self.count = Some((least, most));
        self
    }

    /// What `read` returned for the elements, if the list is there.
    pub fn optional<T>(mut self) -> Option<Vec<T>>
    where
        F: FnMut(&mut Members<'o>) -> T,
    {
        let elements = list(self.members, self.name)?;
        // A list of structures is never shown: it may hold secrets.
        check_count(
            self.members,
            self.name,
            &Shown::Nothing,
            elements.len(),
            self.count,
        );
        let mut made = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            let path = format_args!("{}.{}.member.", LowerCamel(self.name), at + 1);
            match element {
                Value::Object(object) => {
                    let mut inner = self.members.inner(object, path);
                    made.push((self.read)(&mut inner));
                    self.members.absorb(inner);
                }
                Value::Null => {
                    let path = path.to_string();
                    self.members.missing(path.trim_end_matches('.'), false);
                }
                other => self.members.mismatched(other, ModelType::Structure),
            }
        }
        Some(made)
    }

    /// What `read` returned for the elements; missing is a failure.
    pub fn required<T>(self) -> Vec<T>
    where
        F: FnMut(&mut Members<'o>) -> T,
    {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        self.optional().unwrap_or_default()
    }
}

fn list<'o>(members: &mut Members<'o>, name: &str) -> Option<&'o [Value<'o>]> {
    match (members.get(name)?, members.protocol) {
        (Value::List(elements), _) => Some(elements),
        // The Query protocol writes an empty list as an empty parameter.
        (Value::Text(text), Protocol::Query) if text.is_empty() => Some(&[]),
        // Without a model, a structure with the one member `member` looks like a list, but an
        // object here is something else.
        (other, _) => {
            members.mismatched(other, ModelType::List);
            None
        }
    }
}

fn check_count(
    members: &mut Members<'_>,
    name: &str,
    shown: &Shown<'_>,
    found: usize,
    count: Option<(usize, usize)>,
) {
    let Some((least, most)) = count else { return };
    if found < least {
        members.failed(name, shown, Constraint::LengthAtLeast(least));
    }
    if found > most {
        members.failed(name, shown, Constraint::LengthAtMost(most));
    }
}
