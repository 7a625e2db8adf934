//! The values of condition keys, as policies ask for them.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::work::Work;

/// The values of condition keys, asked for only when a statement names them.
pub trait Attributes {
    /// The values of a key. `key` is in lower case ([`str::to_lowercase`]) as a whole, also the
    /// part that a user chose, such as `kms:encryptioncontext:appname`; [`is_key`] compares.
    fn values(&self, key: &str) -> Values<'_>;
}

/// What a request has under a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// The request does not have the key.
    Absent,
    /// A single-valued key.
    One(Cow<'a, str>),
    /// A multivalued key; an empty list counts as absent.
    Many(List<'a>),
    /// Single-valued keys whose names differ only in case: a statement that allows needs all of
    /// them to match, one that denies is met by any.
    Clash(List<'a>),
}

/// The values of one key.
pub type List<'a> = SmallVec<[Cow<'a, str>; 2]>;

impl<'a> Values<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Self {
        Self::One(value.into())
    }

    /// The values of a multivalued key.
    pub fn many<V: Into<Cow<'a, str>>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::Many(values.into_iter().map(Into::into).collect())
    }

    /// The values under names that are equal ignoring case: none, one or a clash.
    pub fn found<V: Into<Cow<'a, str>>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut found: List<'a> = values.into_iter().map(Into::into).collect();
        match found.len() {
            0 => Self::Absent,
            1 => found.pop().map_or(Self::Absent, Self::One),
            _ => Self::Clash(found),
        }
    }
}

impl std::fmt::Debug for dyn Attributes + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attributes")
    }
}

/// A request without any condition keys.
#[derive(Clone, Copy, Debug)]
pub struct NoAttributes;

impl Attributes for NoAttributes {
    fn values(&self, _key: &str) -> Values<'_> {
        Values::Absent
    }
}

/// Whether `name` as a user wrote it is the key `lower`, which is in lower case. Does not
/// allocate.
pub fn is_key(name: &str, lower: &str) -> bool {
    if name.is_ascii() {
        return name.eq_ignore_ascii_case(lower);
    }
    // The final sigma is the one letter whose lower case depends on its neighbours, so the whole
    // name is folded at once.
    name.to_lowercase() == lower
}

/// What evaluating a condition or a pattern may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) context: &'a dyn Attributes,
    pub(crate) work: &'a Work,
}

impl<'a> Scope<'a> {
    /// A scope without attributes, for what does not depend on a request.
    pub(crate) fn nothing(work: &'a Work) -> Self {
        let context = &NoAttributes;
        Self { context, work }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_whatever_its_case() {
        assert!(is_key("AppName", "appname"));
        assert!(is_key("ÄPFEL", "äpfel"));
        assert!(!is_key("AppName", "app"));
    }

    #[test]
    fn names_that_differ_by_case_clash() {
        assert_eq!(Values::found(Vec::<&str>::new()), Values::Absent);
        assert_eq!(Values::found(["a"]), Values::one("a"));
        assert!(matches!(Values::found(["a", "b"]), Values::Clash(list) if list.len() == 2));
    }
}
