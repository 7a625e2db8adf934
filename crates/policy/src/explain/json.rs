//! An explanation as an object for programs.

use super::{
    Explanation, Finding, GrantReport, LayerReport, LayerVerdict, Mismatch, RequestValue,
    StatementReport,
    change::{At, ProposedChange, StatementTarget},
};
use crate::{
    decision::{Decision, DecisionType, Evidence, Reason},
    grant::Unmet,
    json::{Json, write_string},
    principal::Class,
};

/// The explanation as one line of JSON.
pub fn render(explanation: &Explanation) -> String {
    let mut out = String::new();
    whole(explanation).write(&mut out);
    out
}

/// A text as a JSON string.
pub fn string(text: &str) -> String {
    let mut out = String::new();
    write_string(text, &mut out);
    out
}

fn whole(it: &Explanation) -> Json {
    let mut members = vec![
        ("decision", text(DecisionType::of(&it.decision).as_str())),
        ("principal", text(&it.caller)),
        ("action", text(&it.action)),
        ("resource", text(&it.resource)),
        ("reason", reason(&it.decision)),
    ];
    if let Some(layer) = it.blocked_by {
        members.push(("blockedBy", text(layer.word())));
    }
    members.push(("policies", list(&it.layers, layer)));
    members.push(("grants", list(&it.grants, grant)));
    let suggestions = list(&it.suggestions, |suggestion| {
        list(&suggestion.changes, change)
    });
    members.push(("suggestions", suggestions));
    if !it.warnings.is_empty() {
        members.push(("warnings", list(&it.warnings, |warning| text(warning))));
    }
    object(members)
}

fn reason(decision: &Decision) -> Json {
    let word = match decision {
        Decision::Allow(Evidence::Statement(_)) => "statement",
        Decision::Allow(Evidence::Grant(_)) => "grant",
        Decision::Allow(Evidence::RootUser) => "rootUser",
        Decision::Deny(denial) => match &denial.reason {
            Reason::Explicit(statement) => {
                return object(vec![
                    ("kind", text("explicitDeny")),
                    ("in", text(statement.layer.word())),
                ]);
            }
            Reason::Missing(layer) => {
                return object(vec![("kind", text("noAllow")), ("in", text(layer.word()))]);
            }
            Reason::OwnAccountOnly => "ownAccountOnly",
            Reason::OverBudget => "overBudget",
        },
    };
    object(vec![("kind", text(word))])
}

fn layer(it: &LayerReport) -> Json {
    let verdict = match it.verdict {
        LayerVerdict::Absent => "absent",
        LayerVerdict::NotInPlay => "notInPlay",
        LayerVerdict::Denies => "denies",
        LayerVerdict::Allows(_) => "allows",
        LayerVerdict::Silent => "silent",
    };
    let mut members = vec![("kind", text(it.layer.word()))];
    if let Some(level) = it.level {
        members.push(("level", number(level)));
    }
    members.push(("verdict", text(verdict)));
    let policies = list(&it.policies, |policy| {
        let mut members = Vec::new();
        if let Some(name) = &policy.name {
            members.push(("policy", text(name)));
        }
        members.push(("statements", list(&policy.statements, statement)));
        object(members)
    });
    members.push(("policies", policies));
    object(members)
}

fn statement(it: &StatementReport) -> Json {
    let effect = if it.denies { "Deny" } else { "Allow" };
    let mut members = vec![("statement", number(it.index))];
    if let Some(sid) = &it.sid {
        members.push(("sid", text(sid)));
    }
    if let Some(line) = it.line {
        members.push(("line", Json::Number(line.to_string())));
    }
    members.push(("effect", text(effect)));
    members.push(("applies", Json::Bool(it.applies.is_some())));
    if let Some(class) = it.applies {
        members.push(("names", text(class_name(class))));
    }
    if !it.failed.is_empty() {
        members.push(("failed", list(&it.failed, finding)));
    }
    if !it.met.is_empty() {
        members.push(("met", list(&it.met, finding)));
    }
    object(members)
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Account => "account",
        Class::Base => "base",
        Class::Exact => "exact",
    }
}

fn finding(it: &Finding) -> Json {
    let element = |name: &str, it: &Mismatch| {
        let not = if it.negated { "Not" } else { "" };
        let mut members = vec![
            ("element", text(&format!("{not}{name}"))),
            ("listed", texts(&it.listed)),
            ("met", text(&it.met)),
        ];
        members.extend(it.note.map(|note| ("note", text(note))));
        object(members)
    };
    match it {
        Finding::Action(it) => element("Action", it),
        Finding::Principal(it) => element("Principal", it),
        Finding::Resource(it) => element("Resource", it),
        Finding::Condition {
            operator,
            key,
            listed,
            found,
            note,
        } => {
            let met = match found {
                RequestValue::Absent => Json::Null,
                RequestValue::One(value) => text(value),
                RequestValue::Many(values) | RequestValue::Clash(values) => texts(values),
            };
            let mut members = vec![
                ("element", text("Condition")),
                ("operator", text(operator)),
                ("key", text(key)),
                ("listed", texts(listed)),
                ("met", met),
            ];
            members.extend(note.map(|note| ("note", text(note))));
            object(members)
        }
    }
}

fn grant(it: &GrantReport) -> Json {
    let mut members = vec![
        ("grant", text(&it.id)),
        ("grantee", text(&it.grantee)),
        ("applies", Json::Bool(it.outcome.is_ok())),
    ];
    if let Err(unmet) = &it.outcome {
        members.push(("failed", list(unmet, |what| text(&unmet_name(what)))));
    }
    object(members)
}

fn unmet_name(what: &Unmet) -> String {
    match what {
        Unmet::Grantee => "grantee".to_owned(),
        Unmet::Operation => "operation".to_owned(),
        Unmet::Equals => "encryptionContextEquals".to_owned(),
        Unmet::Subset(name, value) => format!("encryptionContextSubset:{name}={value}"),
        Unmet::SourceArn => "sourceArn".to_owned(),
        Unmet::Standing => "standing".to_owned(),
        Unmet::Widens => "widens".to_owned(),
    }
}

fn change(it: &ProposedChange) -> Json {
    match it {
        ProposedChange::AddStatement(target, statement) => {
            let mut members = vec![("change", text("addStatement"))];
            members.extend(place(target));
            let json = Json::parse(&statement.to_json()).unwrap_or(Json::Null);
            members.push(("add", json));
            object(members)
        }
        ProposedChange::ExceptCaller(at, arn) => {
            let mut members = vec![("change", text("exceptCaller"))];
            members.extend(statement_place(at));
            let arn = object(vec![("aws:PrincipalArn", text(arn))]);
            members.push(("condition", object(vec![("StringNotEquals", arn)])));
            object(members)
        }
        ProposedChange::RemoveStatement(at) => {
            let mut members = vec![("change", text("removeStatement"))];
            members.extend(statement_place(at));
            object(members)
        }
        ProposedChange::SupplyPair {
            name,
            value,
            instead_of,
        } => {
            let mut members = vec![
                ("change", text("supplyEncryptionContext")),
                ("name", text(name)),
                ("value", text(value)),
            ];
            if let Some(other) = instead_of {
                members.push(("insteadOf", text(other)));
            }
            object(members)
        }
        ProposedChange::CreateGrant { grantee, operation } => object(vec![
            ("change", text("createGrant")),
            ("grantee", text(grantee)),
            ("operations", texts(std::slice::from_ref(operation))),
        ]),
    }
}

fn place(target: &StatementTarget) -> Vec<(&'static str, Json)> {
    let mut members = vec![("in", text(target.layer.word()))];
    if let Some(level) = target.level {
        members.push(("level", number(level)));
    }
    if let Some(policy) = target.policy {
        members.push(("index", number(policy)));
    }
    if let Some(name) = &target.name {
        members.push(("policy", text(name)));
    }
    members
}

fn statement_place(at: &At) -> Vec<(&'static str, Json)> {
    let mut members = place(&at.target);
    members.push(("statement", number(at.index)));
    if let Some(sid) = &at.sid {
        members.push(("sid", text(sid)));
    }
    members
}

fn text(text: &str) -> Json {
    Json::String(text.to_owned())
}

fn texts(values: &[String]) -> Json {
    list(values, |value| text(value))
}

fn number(value: usize) -> Json {
    Json::Number(value.to_string())
}

fn list<T>(values: &[T], one: impl FnMut(&T) -> Json) -> Json {
    Json::Array(values.iter().map(one).collect())
}

fn object(members: Vec<(&str, Json)>) -> Json {
    let members = members.into_iter();
    Json::Object(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}
