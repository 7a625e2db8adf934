//! What is valid in a policy, but probably not what its author meant.

use crate::{
    condition::operator::{Base, Quantifier},
    document::{Document, Effect, PolicyKind, PrincipalType, Statement},
    known,
    pattern::Glob,
    principal::PrincipalRef,
    work::Work,
};

pub(super) fn of(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, statement) in document.statements.iter().enumerate() {
        let mut warn = |what: String| warnings.push(format!("Statement[{index}]: {what}"));
        set_operators(statement, &mut warn);
        services(statement, &mut warn);
        if document.kind() == PolicyKind::Key {
            without_effect(statement, &mut warn);
        }
    }
    warnings
}

/// Multivalued keys without a set operator.
fn set_operators(statement: &Statement, warn: &mut impl FnMut(String)) {
    let bare = statement.conditions.iter().filter(|condition| {
        let operator = condition.operator;
        operator.quantifier == Quantifier::None
            && !matches!(operator.base, Base::Null | Base::Unknown)
            && known::is_multivalued(&condition.key)
    });
    for condition in bare {
        let (name, key) = (&condition.name, &condition.key);
        let then = match statement.effect {
            Effect::Allow => "an Allow without it never applies to a request that has the key",
            Effect::Deny => {
                "AWS does not document what a Deny without it does; Keyward denies if any value of \
                 the request matches, as with ForAnyValue:"
            }
        };
        warn(format!(
            "{name} {key}: the key has a list of values, which needs ForAnyValue: or ForAllValues: \
             before the operator; {then}"
        ));
    }
}

/// Services that are not in the table.
fn services(statement: &Statement, warn: &mut impl FnMut(String)) {
    for (kind, text) in statement.principals.iter().flat_map(|l| &l.values) {
        let shaped = *kind == PrincipalType::Service && PrincipalRef::parse_service(text).is_some();
        if shaped && !known::is_service(text) {
            warn(format!(
                "{text:?} is not a known service: is it misspelled?"
            ));
        }
    }
}

/// Statements of a key policy that cannot apply to any key.
fn without_effect(statement: &Statement, warn: &mut impl FnMut(String)) {
    if statement.actions.is_none() {
        warn("no Action, so it has no effect".to_owned());
    }
    let Some(resources) = &statement.resources else {
        warn("no Resource, so it has no effect".to_owned());
        return;
    };
    if !resources.negated && !resources.values.iter().any(|text| may_be_key(text)) {
        warn(
            "its Resource does not match any key, so it has no effect: in a key policy, use \"*\" \
             for the key itself"
                .to_owned(),
        );
    }
}

/// Whether a pattern can match the ARN of a key.
fn may_be_key(pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut parts = pattern.splitn(6, ':');
    let (service, resource) = (parts.nth(2), parts.nth(2));
    let Some(resource) = resource else {
        return false;
    };
    let work = Work::new(u64::MAX);
    let begins = |text: &str| {
        // What comes before the first wildcard or variable must match as it is.
        let fixed = text.split(['*', '?', '$']).next().unwrap_or_default();
        "key/".starts_with(fixed) || fixed.starts_with("key/")
    };
    service.is_some_and(|service| Glob::parse(service).matches("kms", &work)) && begins(resource)
}
