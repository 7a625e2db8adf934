//! A value of a condition key, as a case gives it.

use crate::json::Json;

/// What a case gives under a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    /// A list: a multivalued key.
    Many(Vec<String>),
}

impl Value {
    pub(super) fn read(value: Json) -> Option<Self> {
        match value {
            Json::Array(values) => {
                let texts = values.into_iter().map(scalar).collect::<Option<_>>()?;
                Some(Self::Many(texts))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                scalar(value).map(Self::One)
            }
        }
    }
}

fn scalar(value: Json) -> Option<String> {
    match value {
        Json::String(text) | Json::Number(text) => Some(text),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
