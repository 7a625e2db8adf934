//! The condition keys of a simulation's request.

use keyward_engine::policy::attributes::{Attributes, Values};
use keyward_types::{
    principal::{Principal, PrincipalKind},
    tag::Tag,
};

/// The value of a condition key.
#[derive(Debug)]
pub struct Entry {
    /// In lower case.
    pub key: String,
    /// What it is.
    pub values: Vec<String>,
    /// Whether the key has any number of values.
    pub is_list: bool,
}

/// The condition keys of a made-up request: those given, and those that the caller has anyway.
#[derive(Debug)]
pub struct MadeUp<'a> {
    /// What the request gives.
    pub entries: &'a [Entry],
    /// The simulated caller, if one is given.
    pub principal: Option<&'a Principal>,
    /// The caller's tags.
    pub tags: &'a [Tag],
}

impl Attributes for MadeUp<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            return match (entry.is_list, entry.values.first()) {
                (true, _) => Values::many(entry.values.iter().map(String::as_str)),
                (false, Some(value)) => Values::one(value.as_str()),
                (false, None) => Values::Absent,
            };
        }
        let Some(principal) = self.principal else {
            return Values::Absent;
        };
        match (key, principal.kind()) {
            ("aws:principalarn", _) => Values::one(principal.principal_arn()),
            ("aws:principalaccount", _) => Values::one(principal.account_text()),
            ("aws:userid", _) => Values::one(principal.user_id()),
            ("aws:username", PrincipalKind::User { name, .. }) => Values::one(name.as_str()),
            ("aws:principaltype", PrincipalKind::User { .. }) => Values::one("User"),
            ("aws:principaltype", PrincipalKind::RoleSession { .. }) => Values::one("AssumedRole"),
            _ => match key.strip_prefix("aws:principaltag/") {
                Some(name) => {
                    let of_name = |tag: &&Tag| tag.key.to_lowercase() == name;
                    Values::found(
                        self.tags
                            .iter()
                            .filter(of_name)
                            .map(|tag| tag.value.as_str()),
                    )
                }
                None => Values::Absent,
            },
        }
    }
}
