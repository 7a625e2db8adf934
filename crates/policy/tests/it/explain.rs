//! Denials of different causes with their explanations, each suggestion tried out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use expect_test::expect_file;
use keyward_policy::{
    attributes::NoAttributes,
    case::{Decider, explain},
    decision::Layer,
    document::{Document, PolicyKind},
    explain::{At, Inquiry, ProposedChange, StatementTarget, Suggestion, json, text},
    grant::GrantUse,
    policy::Policy,
    principal::Bindings,
    request::{Policies, Question, Resource},
};
use keyward_types::{account::AccountId, partition::Partition, principal::Principal};
use serde_json::{Value, json};

use crate::{
    cases::dice,
    spec::{
        case::{line, sayable},
        scenario::Scenario,
    },
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain")
}

fn denials() -> Vec<Value> {
    let text = fs::read_to_string(folder().join("denials.jsonl")).unwrap();
    let cases = text.lines().map(|line| serde_json::from_str(line).unwrap());
    cases.collect()
}

fn decision(case: &Value) -> Value {
    let mut out = String::new();
    let answer = Decider::new().answer(case.to_string().as_bytes());
    answer.write(&mut out);
    serde_json::from_str::<Value>(&out).unwrap()["decision"].clone()
}

/// For each: the case and what is printed. Read them as somebody who was denied and wants to know
/// what to do next.
#[test]
fn every_denial_is_explained() {
    for case in denials() {
        let id = case["id"].as_str().unwrap();
        let explanation = explain(case.to_string().as_bytes()).unwrap();
        let case = serde_json::to_string_pretty(&case).unwrap();
        let printed = format!("{case}\n\n{}", text::render(&explanation));
        expect_file![folder().join(format!("{id}.txt"))].assert_eq(&printed);
        let object: Value = serde_json::from_str(&json::render(&explanation)).unwrap();
        assert_ne!(object["decision"], "Allow", "{id}");
    }
}

#[test]
fn every_suggestion_allows_and_nothing_in_it_can_be_left_out() {
    let mut tried = 0;
    for case in denials() {
        let id = case["id"].as_str().unwrap();
        assert_ne!(decision(&case), "Allow", "{id}");
        for suggestion in explain(case.to_string().as_bytes()).unwrap().suggestions {
            let changed = applied(&case, &suggestion.changes);
            assert_eq!(
                decision(&changed),
                "Allow",
                "{id}: {suggestion:#?}\n{changed:#}"
            );
            for left_out in 0..suggestion.changes.len() {
                let mut fewer = suggestion.changes.clone();
                // What comes after a removed statement has moved.
                if matches!(fewer.remove(left_out), ProposedChange::RemoveStatement(_)) {
                    continue;
                }
                let changed = applied(&case, &fewer);
                assert_ne!(
                    decision(&changed),
                    "Allow",
                    "{id}: {left_out} in {suggestion:#?}"
                );
            }
            allows_no_more(&case, &changed, &suggestion);
            tried += 1;
        }
    }
    assert!(tried > 70, "{tried}");
}

/// What a suggestion does not speak of stays as it was: other actions of the caller, and other
/// callers.
fn allows_no_more(case: &Value, changed: &Value, suggestion: &Suggestion) {
    let only_adds = suggestion.changes.iter().all(|change| match change {
        ProposedChange::AddStatement(..)
        | ProposedChange::SupplyPair { .. }
        | ProposedChange::CreateGrant { .. } => true,
        ProposedChange::ExceptCaller(..) | ProposedChange::RemoveStatement(_) => false,
    });
    let supplies = suggestion
        .changes
        .iter()
        .any(|change| matches!(change, ProposedChange::SupplyPair { .. }));
    if only_adds && !supplies {
        for action in [
            "kms:Encrypt",
            "kms:PutKeyPolicy",
            "kms:GenerateMac",
            "s3:GetObject",
        ] {
            if case["action"] != action {
                let ask = |case: &Value| {
                    let mut case = case.clone();
                    case["action"] = action.into();
                    decision(&case)
                };
                assert_eq!(ask(case), ask(changed), "{action}: {suggestion:#?}");
            }
        }
    }
    let removes = suggestion
        .changes
        .iter()
        .any(|change| matches!(change, ProposedChange::RemoveStatement(_)));
    if !removes {
        let ask = |case: &Value| {
            let mut other = json!({
                "principal": "arn:aws:iam::111122223333:user/somebody-else",
                "action": case["action"],
                "resource": case["resource"],
            });
            for member in ["keyPolicy", "grants", "rcps"] {
                if let Some(value) = case.get(member) {
                    other[member] = value.clone();
                }
            }
            decision(&other)
        };
        assert_eq!(ask(case), ask(changed), "{suggestion:#?}");
    }
}

/// Makes the changes in the text of the case.
fn applied(case: &Value, changes: &[ProposedChange]) -> Value {
    let mut case = case.clone();
    for change in changes {
        match change {
            ProposedChange::AddStatement(target, statement) => {
                let statement = serde_json::from_str(&statement.to_json()).unwrap();
                statements(policy(&mut case, target)).push(statement);
            }
            ProposedChange::ExceptCaller(at, arn) => {
                let statement = statement(&mut case, at);
                let condition = statement
                    .as_object_mut()
                    .unwrap()
                    .entry("Condition")
                    .or_insert_with(|| json!({}));
                let keys = condition
                    .as_object_mut()
                    .unwrap()
                    .entry("StringNotEquals")
                    .or_insert_with(|| json!({}));
                let values = keys
                    .as_object_mut()
                    .unwrap()
                    .entry("aws:PrincipalArn")
                    .or_insert_with(|| json!([]));
                listed(values).push(arn.as_str().into());
            }
            ProposedChange::RemoveStatement(at) => {
                statements(policy(&mut case, &at.target)).remove(at.index);
            }
            ProposedChange::SupplyPair { name, value, .. } => {
                let key = format!("kms:EncryptionContext:{name}");
                let context = member(&mut case, "context", json!({}));
                let context = context.as_object_mut().unwrap();
                context.retain(|known, _| !known.eq_ignore_ascii_case(&key));
                context.insert(key, value.as_str().into());
            }
            ProposedChange::CreateGrant { grantee, operation } => {
                let grant = json!({"grantee": grantee, "operations": [operation]});
                listed(member(&mut case, "grants", json!([]))).push(grant);
            }
        }
    }
    case
}

fn member<'c>(case: &'c mut Value, name: &str, absent: Value) -> &'c mut Value {
    let members = case.as_object_mut().unwrap();
    members.entry(name).or_insert(absent)
}

/// A value as a list, made one if it is none.
fn listed(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(vec![value.take()]);
    }
    value.as_array_mut().unwrap()
}

fn statements(policy: &mut Value) -> &mut Vec<Value> {
    listed(&mut policy["Statement"])
}

fn statement<'c>(case: &'c mut Value, at: &At) -> &'c mut Value {
    &mut statements(policy(case, &at.target))[at.index]
}

fn policy<'c>(case: &'c mut Value, target: &StatementTarget) -> &'c mut Value {
    let new = json!({"Version": "2012-10-17", "Statement": []});
    let list = match target.layer {
        Layer::Resource => return member(case, "keyPolicy", new),
        Layer::Boundary => return member(case, "boundary", new),
        Layer::Identity => listed(member(case, "identityPolicies", json!([]))),
        Layer::Session => listed(member(case, "sessionPolicy", json!([]))),
        Layer::Scp => listed(&mut case["scps"][target.level.unwrap()]),
        Layer::Rcp => {
            // Resource control policies are counted through all levels.
            let levels = case["rcps"].as_array_mut().unwrap();
            let mut all = levels
                .iter_mut()
                .flat_map(|level| level.as_array_mut().unwrap());
            return all.nth(target.policy.unwrap()).unwrap();
        }
        Layer::Endpoint => panic!("cases have none"),
    };
    match target.policy {
        Some(place) => &mut list[place],
        None => {
            list.push(new);
            list.last_mut().unwrap()
        }
    }
}

/// Whatever the policies: the explanation decides as the answer does, reports a statement as
/// applying exactly where it counts, and what it suggests allows.
#[test]
fn random_denials_have_suggestions_that_allow() {
    let (mut denials, mut suggestions) = (0, 0);
    for seed in 1000..1400 {
        let scenario = sayable(Scenario::roll(&dice(seed)));
        let case = line(&scenario, "random");
        let explanation = explain(case.to_string().as_bytes()).unwrap();
        let decided = decision(&case);
        let explained: Value = serde_json::from_str(&json::render(&explanation)).unwrap();
        assert_eq!(explained["decision"], decided, "{case}");
        assert!(!text::render(&explanation).is_empty());
        for layer in &explanation.layers {
            for statement in layer.policies.iter().flat_map(|policy| &policy.statements) {
                assert_eq!(
                    statement.applies.is_some(),
                    statement.failed.is_empty(),
                    "{case}"
                );
            }
        }
        if decided == "Allow" {
            assert!(explanation.suggestions.is_empty());
            continue;
        }
        denials += 1;
        for suggestion in &explanation.suggestions {
            let changed = applied(&case, &suggestion.changes);
            let why = format!("{suggestion:#?}\n{case}\n{changed}");
            assert_eq!(decision(&changed), "Allow", "{why}");
            suggestions += 1;
        }
    }
    assert!(
        denials > 100 && suggestions > denials,
        "{denials} {suggestions}"
    );
}

#[test]
fn a_statement_is_told_with_its_line_in_the_document() {
    const KEY_POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Administration",
      "Effect": "Allow",
      "Principal": {"AWS": "arn:aws:iam::111122223333:role/Admin"},
      "Action": "kms:*",
      "Resource": "*"
    },
    {
      "Sid": "Never",
      "Effect": "Deny",
      "Principal": "*",
      "Action": "kms:Decrypt",
      "Resource": "*"
    }
  ]
}"#;
    let document = Document::parse(KEY_POLICY, PolicyKind::Key).unwrap();
    let policy = Policy::compile_with_source(&document, &Bindings::new(), KEY_POLICY);
    let account = AccountId::parse("111122223333").unwrap();
    let caller = Principal::root(Partition::Aws, account);
    let key = "arn:aws:kms:us-east-1:111122223333:key/k";
    let question = Question {
        caller: &caller,
        action: "kms:Decrypt",
        resource: Resource::guarded(key, Partition::Aws, account, Some(&policy)),
        context: &NoAttributes,
        policies: Policies::default(),
    };
    let explanation = keyward_policy::explain::explain(&Inquiry {
        question: &question,
        grants: &[],
        usage: GrantUse::default(),
    });
    let own = explanation
        .layers
        .iter()
        .find(|report| report.layer == Layer::Resource)
        .unwrap();
    let lines: Vec<_> = own.policies[0].statements.iter().map(|s| s.line).collect();
    assert_eq!(lines, [Some(4), Some(11)]);
    let told = text::render(&explanation);
    assert!(
        told.contains("Why: key policy Statement[1] \"Never\" (line 11) denies it"),
        "{told}"
    );
}
