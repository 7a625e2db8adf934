//! The condition values that a question gives. A key that no request can have is refused: an answer about
//! it would be true, but would not help.

use std::collections::BTreeMap;

use keyward_api_kms::fault::KmsFault;
use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::declared::DeclaredKey,
    policy::known,
};
use keyward_wire::json::Members;
use serde_json::Value;

use crate::{Cx, fault::KeywardFault};

/// The most condition values that a question can give.
const MOST_CONTEXT: usize = 100;

/// What the audit trail shows of a condition value.
pub const SHOWN_CONTEXT: &[Parameter] = &[text("Name"), texts("Values")];

/// Condition values: names with one value, or with several of a multivalued key.
pub fn given_context(m: &mut Members<'_>) -> BTreeMap<String, Value> {
    let given = m.structures("Context", |one| {
        let name = one.string("Name").length(1, 512).required().to_owned();
        let values = one.strings("Values").count(1, MOST_CONTEXT).required();
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        (name, values)
    });
    let given = given.count(0, MOST_CONTEXT).optional().unwrap_or_default();
    let value = |mut values: Vec<String>| match (values.pop(), values.is_empty()) {
        (Some(one), true) => Value::from(one),
        (Some(last), false) => {
            values.push(last);
            Value::from(values)
        }
        (None, _) => Value::Null,
    };
    given
        .into_iter()
        .map(|(name, values)| (name, value(values)))
        .collect()
}

impl Cx<'_> {
    /// Checks that a request for an action can have these condition keys.
    ///
    /// # Errors
    /// The first one that it cannot have, with those that may be meant.
    pub(super) fn check_context(
        &self,
        given: &BTreeMap<String, Value>,
        action: &str,
    ) -> Result<(), KeywardFault> {
        let Some(name) = given.keys().find(|name| !self.may_have(name, action)) else {
            return Ok(());
        };
        let meant = meant(&alike(name, self.condition_keys()));
        let message = format!(
            "Requests to this server have no condition key {name}.{meant} `keyward policy keys` lists those that \
             they can have."
        );
        Err(KmsFault::validation(message).into())
    }

    /// Whether a request for an action can have a condition key. What other services have is not known
    /// here.
    pub(super) fn may_have(&self, name: &str, action: &str) -> bool {
        let foreign = service(action).is_some_and(|of| {
            !self.serves(of) && service(name).is_some_and(|named| named.eq_ignore_ascii_case(of))
        });
        foreign || self.condition_keys().any(|key| key.covers(name))
    }
}

/// The end of a sentence with suggestions.
pub fn meant(alike: &[impl AsRef<str>]) -> String {
    let alike: Vec<&str> = alike.iter().map(AsRef::as_ref).collect();
    match alike.split_last() {
        None => String::new(),
        Some((only, [])) => format!(" Did you mean {only}?"),
        Some((last, others)) => format!(" Did you mean {} or {last}?", others.join(", ")),
    }
}

/// The names of similar keys. The service prefix counts only if it is given, and the part that a user
/// chose does not count.
fn alike(given: &str, keys: impl Iterator<Item = &'static DeclaredKey>) -> Vec<String> {
    let (of, rest) = match given.split_once(':') {
        Some((of, rest)) => (Some(of), rest),
        None => (None, given),
    };
    let fixed = rest.split(['/', ':']).next().unwrap_or_default();
    let mut names: BTreeMap<&'static str, &'static str> = BTreeMap::new();
    for key in keys {
        let Some((service, own)) = key.name.split_once(':') else {
            continue;
        };
        if of.is_none_or(|of| of.eq_ignore_ascii_case(service)) && !service.starts_with('<') {
            let own = own.split(['/', ':']).next().unwrap_or_default();
            names.entry(own).or_insert(key.name);
        }
    }
    let found = known::alike(fixed, names.keys().copied());
    found
        .into_iter()
        .filter_map(|own| names.get(own))
        .map(|name| (*name).to_owned())
        .collect()
}

fn service(name: &str) -> Option<&str> {
    name.split_once(':').map(|(service, _)| service)
}
