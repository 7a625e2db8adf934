//! An encryption context with the pairs that a suggestion adds.

use std::borrow::Cow;

use crate::attributes::{Attributes, Values, is_key};

/// A request's condition values with more pairs in its encryption context.
pub(super) struct Supplied<'a> {
    pub(super) base: &'a dyn Attributes,
    pub(super) pairs: &'a [(String, String)],
}

impl Attributes for Supplied<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        if self.pairs.is_empty() {
            return self.base.values(key);
        }
        if key == "kms:encryptioncontextkeys" {
            let mut names = match self.base.values(key) {
                Values::Many(names) | Values::Clash(names) => names,
                Values::One(name) => [name].into_iter().collect(),
                Values::Absent => Default::default(),
            };
            // A pair that takes another's place does so whatever the case of its name.
            let supplied = |name: &str| {
                let mut pairs = self.pairs.iter();
                pairs.any(|(pair, _)| is_key(pair, &name.to_lowercase()))
            };
            names.retain(|name| !supplied(name));
            let more = self.pairs.iter();
            names.extend(more.map(|(name, _)| Cow::Borrowed(name.as_str())));
            return Values::Many(names);
        }
        let name = key.strip_prefix("kms:encryptioncontext:");
        let mut pairs = self.pairs.iter();
        match name.and_then(|name| pairs.find(|(pair, _)| is_key(pair, name))) {
            Some((_, value)) => Values::one(value.as_str()),
            None => self.base.values(key),
        }
    }
}
