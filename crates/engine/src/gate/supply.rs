//! The condition values that an operation supplies with a question.

use keyward_types::{encryption_context::EncryptionContext, tag::Tag};
use keyward_wire::json::Writer;
use smallvec::SmallVec;

/// A condition key that operations supply by name; see [`condition_keys`](crate::condition_keys).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionKey(pub &'static str);

/// One supplied value or list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuppliedValue {
    /// A single-valued key's.
    One(String),
    /// A word that is known at compile time.
    Word(&'static str),
    /// A multivalued key's.
    Many(Vec<String>),
}

/// What an operation has supplied so far.
#[derive(Debug, Default)]
pub struct Supply {
    supplied: Supplied,
}

/// What an operation supplied with one question.
#[derive(Debug, Default)]
pub struct Supplied {
    pub(crate) values: SmallVec<[(ConditionKey, SuppliedValue); 4]>,
    pub(crate) context: EncryptionContext,
    pub(crate) request_tags: Vec<Tag>,
}

impl Supply {
    /// A word that is known at compile time.
    pub fn one(&mut self, key: ConditionKey, word: &'static str) {
        self.supplied.values.push((key, SuppliedValue::Word(word)));
    }

    /// A text of the request.
    pub fn text(&mut self, key: ConditionKey, text: impl Into<String>) {
        self.supplied
            .values
            .push((key, SuppliedValue::One(text.into())));
    }

    /// A boolean.
    pub fn boolean(&mut self, key: ConditionKey, value: bool) {
        self.one(key, if value { "true" } else { "false" });
    }

    /// A number.
    pub fn number(&mut self, key: ConditionKey, value: i64) {
        self.text(key, value.to_string());
    }

    /// A list.
    pub fn many(&mut self, key: ConditionKey, values: impl IntoIterator<Item = String>) {
        self.supplied
            .values
            .push((key, SuppliedValue::Many(values.into_iter().collect())));
    }

    /// `kms:EncryptionContext:…` and `kms:EncryptionContextKeys`.
    pub fn encryption_context(&mut self, context: &EncryptionContext) {
        if !context.is_empty() {
            self.supplied.context = context.clone();
        }
    }

    /// `aws:SecureTransport`, of a client that has a connection of its own.
    pub fn secure_transport(&mut self, secure: bool) {
        self.boolean(ConditionKey("aws:SecureTransport"), secure);
    }

    /// `aws:TagKeys`: the keys of the tags that a request removes.
    pub fn tag_keys(&mut self, keys: &[String]) {
        self.many(ConditionKey("aws:TagKeys"), keys.iter().cloned());
    }

    /// `aws:RequestTag/…` and `aws:TagKeys`.
    pub fn request_tags(&mut self, tags: &[Tag]) {
        self.supplied.request_tags = tags.to_vec();
    }

    pub(crate) fn into_supplied(self) -> Supplied {
        self.supplied
    }
}

impl Supplied {
    /// Whether nothing was supplied.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.context.is_empty() && self.request_tags.is_empty()
    }

    /// Writes it into an audit event.
    pub fn describe(&self, context: &mut Writer<'_>) {
        for (ConditionKey(key), value) in &self.values {
            match value {
                SuppliedValue::One(text) => context.string(key, text),
                SuppliedValue::Word(word) => context.string(key, word),
                SuppliedValue::Many(list) => context.strings(key, list),
            }
        }
        for (name, value) in self.context.pairs() {
            context.prefixed_string(("kms:EncryptionContext:", name), value);
        }
        for tag in &self.request_tags {
            context.prefixed_string(("aws:RequestTag/", &tag.key), &tag.value);
        }
    }
}
