//! The structure of a statement: its elements, each of the right JSON type and not twice.

use super::validate::{admits_principals, is_iam, syntax_error};
use crate::{
    condition::operator::Operator,
    document::{
        ConditionText, Effect, Listed, MalformedPolicy, PolicyError, PolicyKind, PrincipalType,
        Statement, one_or_many,
    },
    json::Json,
};

/// Reads one statement's structure.
pub(crate) fn read_statement(value: &Json, kind: PolicyKind) -> Result<Statement, PolicyError> {
    let syntax = syntax_error(kind);
    let Json::Object(members) = value else {
        return Err(syntax.into());
    };
    let mut statement = Statement {
        sid: None,
        effect: Effect::Deny,
        principals: None,
        actions: None,
        resources: None,
        conditions: Vec::new(),
    };
    let mut effect = None;
    for (name, value) in members {
        match name.as_str() {
            "Sid" => match value {
                Json::String(sid) => statement.sid = Some(sid.clone()),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                    return Err(syntax.into());
                }
            },
            "Effect" => effect = Some(read_effect(value, kind)?),
            "Principal" | "NotPrincipal" => {
                if !admits_principals(kind) {
                    return Err(MalformedPolicy::Principal.into());
                }
                let listed = Listed {
                    negated: name == "NotPrincipal",
                    values: read_principals(value).ok_or_else(|| syntax.clone())?,
                };
                set_once(&mut statement.principals, listed, &syntax)?;
            }
            "Action" | "NotAction" => {
                let listed = read_listed(value, name == "NotAction", &syntax)?;
                set_once(&mut statement.actions, listed, &syntax)?;
            }
            "Resource" | "NotResource" => {
                if kind == PolicyKind::Trust {
                    let field = "Resource";
                    return Err(MalformedPolicy::Prohibited { field }.into());
                }
                let listed = read_listed(value, name == "NotResource", &syntax)?;
                set_once(&mut statement.resources, listed, &syntax)?;
            }
            "Condition" => {
                statement.conditions = read_conditions(value).ok_or_else(|| syntax.clone())?;
            }
            _ => return Err(syntax.into()),
        }
    }
    statement.effect = effect.ok_or(syntax)?;
    Ok(statement)
}

fn set_once<T>(
    place: &mut Option<Listed<T>>,
    listed: Listed<T>,
    syntax: &MalformedPolicy,
) -> Result<(), PolicyError> {
    // An element and its negation cannot be used together.
    match place.replace(listed) {
        None => Ok(()),
        Some(_) => Err(syntax.clone().into()),
    }
}

fn read_effect(value: &Json, kind: PolicyKind) -> Result<Effect, PolicyError> {
    let text = text(value).ok_or_else(|| syntax_error(kind))?;
    match text {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        _ if is_iam(kind)
            && (text.eq_ignore_ascii_case("allow") || text.eq_ignore_ascii_case("deny")) =>
        {
            Err(MalformedPolicy::LegacyParsing.into())
        }
        _ => Err(syntax_error(kind).into()),
    }
}

pub(crate) fn text(value: &Json) -> Option<&str> {
    match value {
        Json::String(text) => Some(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn read_listed(
    value: &Json,
    negated: bool,
    syntax: &MalformedPolicy,
) -> Result<Listed<String>, PolicyError> {
    let values: Option<Vec<String>> = one_or_many(value)
        .iter()
        .map(|value| text(value).map(str::to_owned))
        .collect();
    let values = values.ok_or_else(|| syntax.clone())?;
    Ok(Listed { negated, values })
}

pub(crate) fn read_principals(value: &Json) -> Option<Vec<(PrincipalType, String)>> {
    match value {
        Json::String(text) => (text == "*").then(|| vec![(PrincipalType::Aws, text.clone())]),
        Json::Object(members) => {
            let mut entries = Vec::new();
            for (word, value) in members {
                let kind = match word.as_str() {
                    "AWS" => PrincipalType::Aws,
                    "Service" => PrincipalType::Service,
                    "Federated" => PrincipalType::Federated,
                    "CanonicalUser" => PrincipalType::CanonicalUser,
                    _ => return None,
                };
                for value in one_or_many(value) {
                    entries.push((kind, text(value)?.to_owned()));
                }
            }
            Some(entries)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => None,
    }
}

fn read_conditions(value: &Json) -> Option<Vec<ConditionText>> {
    let Json::Object(operators) = value else {
        return None;
    };
    let mut conditions = Vec::new();
    for (name, keys) in operators {
        let Json::Object(keys) = keys else {
            return None;
        };
        // An operator without keys has no effect, whatever its name is.
        if keys.is_empty() {
            continue;
        }
        let operator = Operator::parse(name)?;
        for (key, values) in keys {
            conditions.push(ConditionText {
                operator,
                name: name.clone(),
                key: key.clone(),
                values: one_or_many(values)
                    .iter()
                    .map(scalar)
                    .collect::<Option<_>>()?,
            });
        }
    }
    Some(conditions)
}

/// A condition value's text: booleans and numbers count as written.
pub(crate) fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
