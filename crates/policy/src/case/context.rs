//! The condition values of a case: those it gives, and those that follow from it.

use keyward_types::principal::{Principal, PrincipalKind};

use super::{
    policies::Assembled,
    read::{Case, CaseResource, CaseResourceKind},
    value::Value,
};
use crate::{
    attributes::{Attributes, Values, is_key},
    grant::GrantUse,
    principal::general_name,
};

/// The prefix of the names of an encryption context's pairs.
const PAIR: &str = "kms:EncryptionContext:";
const REQUEST_TAG: &str = "aws:RequestTag/";

/// The condition values of a case.
#[derive(Debug)]
pub(super) struct CaseContext<'a> {
    given: &'a [(String, Value)],
    caller: &'a Principal,
    /// Whether the case says which unique id the caller has.
    has_id: bool,
    target: &'a CaseResource,
    action: &'a str,
}

impl<'a> CaseContext<'a> {
    pub(super) fn new(case: &'a Case<'_>, assembled: &'a Assembled) -> Self {
        Self {
            given: &case.context,
            caller: &assembled.caller,
            has_id: case.identity.base().is_some_and(|(_, _, id)| id.is_some()),
            target: &case.resource,
            action: &case.action,
        }
    }

    /// The encryption context that the case gives.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let pairs = self.given.iter().filter_map(|(name, value)| match value {
            Value::One(value) => Some((after(name, PAIR)?.to_owned(), value.clone())),
            Value::Many(_) => None,
        });
        pairs.collect()
    }

    /// The one value given under a key.
    pub(super) fn one(&self, key: &str) -> Option<&'a str> {
        let mut found = self.given.iter().filter(|(name, _)| is_key(name, key));
        match found.next() {
            Some((_, Value::One(value))) => Some(value),
            Some((_, Value::Many(_))) | None => None,
        }
    }

    /// The list given under a key.
    pub(super) fn many(&self, key: &str) -> Option<&'a [String]> {
        let mut found = self.given.iter().filter(|(name, _)| is_key(name, key));
        match found.next() {
            Some((_, Value::Many(values))) => Some(values),
            Some((_, Value::One(value))) => Some(std::slice::from_ref(value)),
            None => None,
        }
    }

    fn given(&self, key: &str) -> Option<Values<'_>> {
        let mut found = self.given.iter().filter(|(name, _)| is_key(name, key));
        let first = found.next()?;
        let mut single = Vec::new();
        for (_, value) in std::iter::once(first).chain(found) {
            match value {
                Value::Many(values) => {
                    return Some(Values::many(values.iter().map(String::as_str)));
                }
                Value::One(value) => single.push(value.as_str()),
            }
        }
        Some(Values::found(single))
    }

    fn derived(&self, key: &str) -> Option<Values<'_>> {
        self.of_caller(key)
            .or_else(|| self.of_request(key))
            .or_else(|| self.of_resource(key))
    }

    fn of_caller(&self, key: &str) -> Option<Values<'_>> {
        let caller = self.caller;
        let service = match caller.kind() {
            PrincipalKind::Service { name } => Some(name.as_str()),
            PrincipalKind::Root
            | PrincipalKind::User { .. }
            | PrincipalKind::RoleSession { .. }
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::Anonymous
            | PrincipalKind::WebIdentity { .. } => None,
        };
        match (key, service) {
            ("aws:principalarn", _) if caller.principal_arn().is_empty() => None,
            ("aws:principalisawsservice", _) => {
                let word = if service.is_some() { "true" } else { "false" };
                Some(Values::one(word))
            }
            ("aws:principalservicename", Some(name)) => Some(match general_name(name) {
                Some(general) => Values::one(general),
                None => Values::one(name),
            }),
            ("aws:principalservicenameslist", Some(name)) => Some(match general_name(name) {
                Some(general) => Values::many([general, name.to_owned()]),
                None => Values::many([name]),
            }),
            (_, Some(_)) => None,
            ("aws:principalarn", None) => Some(Values::one(caller.principal_arn())),
            ("aws:principalaccount", None) => {
                caller.account().map(|own| Values::one(own.to_string()))
            }
            ("aws:principaltype", None) => Some(Values::one(match caller.kind() {
                PrincipalKind::Root => "Account",
                PrincipalKind::User { .. } => "User",
                PrincipalKind::RoleSession { .. } => "AssumedRole",
                PrincipalKind::FederatedUser { .. } => "FederatedUser",
                PrincipalKind::WebIdentity { .. } | PrincipalKind::Anonymous => "Anonymous",
                PrincipalKind::Service { .. } => "Service",
            })),
            ("aws:userid", None) => {
                let known = match caller.kind() {
                    PrincipalKind::User { .. } | PrincipalKind::RoleSession { .. } => self.has_id,
                    PrincipalKind::Root
                    | PrincipalKind::FederatedUser { .. }
                    | PrincipalKind::Service { .. } => true,
                    PrincipalKind::WebIdentity { .. } | PrincipalKind::Anonymous => false,
                };
                known.then(|| Values::one(caller.user_id()))
            }
            ("aws:username", None) => match caller.kind() {
                PrincipalKind::User { name, .. } => Some(Values::one(name.as_str())),
                PrincipalKind::Root
                | PrincipalKind::RoleSession { .. }
                | PrincipalKind::FederatedUser { .. }
                | PrincipalKind::WebIdentity { .. }
                | PrincipalKind::Anonymous
                | PrincipalKind::Service { .. } => None,
            },
            _ => None,
        }
    }

    fn of_request(&self, key: &str) -> Option<Values<'_>> {
        let names = |prefix: &str| {
            let names = self
                .given
                .iter()
                .filter_map(|(name, _)| after(name, prefix));
            Values::many(names)
        };
        match key {
            "kms:encryptioncontextkeys" => Some(names(PAIR)),
            "aws:tagkeys" => Some(names(REQUEST_TAG)),
            "aws:requestedregion" => self.target.region.as_deref().map(Values::one),
            _ => None,
        }
    }

    fn of_resource(&self, key: &str) -> Option<Values<'_>> {
        let of_key = self.target.kind == CaseResourceKind::Key;
        match key {
            "aws:resourceaccount" => Some(Values::one(self.target.account.to_string())),
            "kms:calleraccount" if of_key || self.is_about_keys() => {
                let account = self.caller.account();
                account.map(|own| Values::one(own.to_string()))
            }
            // The deprecated twins of the keys that the case gives.
            "kms:customermasterkeyspec" => self.given("kms:keyspec"),
            "kms:customermasterkeyusage" => self.given("kms:keyusage"),
            _ => None,
        }
    }

    /// CreateKey and the operations of custom key stores have `kms:CallerAccount` too.
    fn is_about_keys(&self) -> bool {
        let action = self.action.to_ascii_lowercase();
        action == "kms:createkey" || action.starts_with("kms:") && action.contains("customkeystore")
    }
}

impl Attributes for CaseContext<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        self.given(key)
            .or_else(|| self.derived(key))
            .unwrap_or(Values::Absent)
    }
}

/// What follows a prefix that is spelt in any case.
fn after<'t>(name: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The part of a case's context that matters for grants; [`Self::usage`] lends it.
pub(super) struct GrantContext<'a> {
    pairs: Vec<(String, String)>,
    source_arn: Option<&'a str>,
    new_operations: Option<&'a [String]>,
    new_constraint: Option<&'a str>,
    new_source_arn: Option<&'a str>,
}

impl<'a> GrantContext<'a> {
    pub(super) fn new(context: &CaseContext<'a>) -> Self {
        Self {
            pairs: context.pairs(),
            source_arn: context.one("aws:sourcearn"),
            new_operations: context.many("kms:grantoperations"),
            new_constraint: context.one("kms:grantconstrainttype"),
            new_source_arn: context.one("kms:grantconstraintsourcearn"),
        }
    }

    pub(super) fn usage(&self) -> GrantUse<'_> {
        GrantUse {
            pairs: &self.pairs,
            source_arn: self.source_arn,
            new_operations: self.new_operations,
            new_constraint: self.new_constraint,
            new_source_arn: self.new_source_arn,
        }
    }
}
