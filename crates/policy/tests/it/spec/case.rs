//! A random scenario written as a case, and the slow evaluator's answer to it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    reference,
    scenario::{Caller, Kind, Scenario, Target},
};

/// The scenario as a case can say it: without what cases have no word for, with the condition
/// values that follow from the rest.
pub fn sayable(mut s: Scenario) -> Scenario {
    s.endpoint = None;
    // An object has one value under a name: the last.
    let mut later = BTreeSet::new();
    s.context.reverse();
    s.context.retain(|(name, _, _)| later.insert(name.clone()));
    s.context.reverse();
    s.grants
        .retain(|class| grantee(&s.caller, *class).is_some());
    if s.target != Target::Key || !GRANTABLE.contains(&s.action) {
        s.grants.clear();
    }
    // A key policy has no effect on RetireGrant.
    if s.action == "kms:RetireGrant" && s.target == Target::Key {
        s.resource_policy = None;
    }
    let account = s.caller.account();
    let service = matches!(s.caller, Caller::Service(_));
    // A service's name says no partition: it acts in the resource's.
    if service && s.partition != "aws" {
        s.partition = "aws";
        s.arn = s
            .arn
            .replace("arn:aws-cn:", "arn:aws:")
            .replace("cn-north-1", "us-east-1");
    }
    let mut derived: Vec<(&str, Kind, Vec<String>)> = Vec::new();
    derived.push((
        "aws:PrincipalIsAWSService",
        Kind::One,
        vec![service.to_string()],
    ));
    if let Some(account) = account {
        let arn = s.caller.principal().principal_arn().to_owned();
        derived.push(("aws:PrincipalArn", Kind::One, vec![arn]));
        derived.push(("aws:PrincipalAccount", Kind::One, vec![account.to_owned()]));
        let of_key = s.target == Target::Key || s.action == "kms:CreateKey";
        if of_key {
            derived.push(("kms:CallerAccount", Kind::One, vec![account.to_owned()]));
        }
    }
    if let Caller::User(_, _, name, _) = s.caller {
        derived.push(("aws:username", Kind::One, vec![name.to_owned()]));
    }
    let names = s.context.iter().filter_map(|(name, _, _)| {
        let (head, rest) = name.split_at_checked("kms:EncryptionContext:".len())?;
        head.eq_ignore_ascii_case("kms:EncryptionContext:")
            .then(|| rest.to_owned())
    });
    derived.push(("kms:EncryptionContextKeys", Kind::Many, names.collect()));
    for (name, kind, values) in derived {
        if !s
            .context
            .iter()
            .any(|(n, _, _)| n.eq_ignore_ascii_case(name))
        {
            s.context.push((name.to_owned(), kind, values));
        }
    }
    s
}

const GRANTABLE: &[&str] = &[
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:RetireGrant",
];

/// Whom a grant must name to reach the caller so strongly.
fn grantee(caller: &Caller, class: u8) -> Option<String> {
    let principal = caller.principal();
    match (class, caller) {
        (3, Caller::Service(name)) => Some((*name).to_owned()),
        (_, Caller::Service(_) | Caller::Anonymous) => None,
        (1, _) => Some(format!("arn:aws:iam::{}:root", caller.account()?)),
        (2, Caller::Session(..)) => Some(principal.principal_arn().to_owned()),
        (2, Caller::Federated(_, _, Some(_))) => {
            Some("arn:aws:iam::111122223333:user/alice".to_owned())
        }
        (3, Caller::User(..) | Caller::Session(..) | Caller::Federated(..)) => {
            Some(principal.arn().to_owned())
        }
        _ => None,
    }
}

/// The case's line.
pub fn line(s: &Scenario, id: &str) -> Value {
    let mut case = Map::new();
    let mut put = |name: &str, value: Value| case.insert(name.to_owned(), value);
    put("id", id.into());
    put("principal", s.caller.principal().arn().into());
    put("action", s.action.into());
    put("resource", s.arn.as_str().into());
    match &s.caller {
        Caller::User(_, _, _, id) => {
            put("principalId", (*id).into());
        }
        Caller::Session(_, path, _, id, _) => {
            put("principalId", (*id).into());
            if *path != "/" {
                put("roleArn", s.caller.principal().principal_arn().into());
            }
        }
        Caller::Federated(account, _, issuer) => {
            match issuer {
                Some(id) => {
                    put("principalId", (*id).into());
                    put(
                        "issuer",
                        format!("arn:aws:iam::{account}:user/alice").into(),
                    );
                }
                None => {
                    put("issuer", format!("arn:aws:iam::{account}:root").into());
                }
            };
        }
        Caller::Root(_) | Caller::Service(_) | Caller::Anonymous => {}
    }
    if let Some(policy) = &s.resource_policy {
        put("keyPolicy", policy.clone());
    }
    if !s.identity.is_empty() {
        put("identityPolicies", json!(s.identity));
    }
    if let Some(policy) = &s.boundary {
        put("boundary", policy.clone());
    }
    match s.session.as_deref() {
        None => {}
        Some([one]) => {
            put("sessionPolicy", one.clone());
        }
        Some(several) => {
            put("sessionPolicy", json!(several));
        }
    }
    if !s.scps.is_empty() {
        put("scps", json!(s.scps));
    }
    if !s.rcps.is_empty() {
        put("rcps", json!([s.rcps]));
    }
    if !s.grants.is_empty() {
        let operation = s.action.strip_prefix("kms:").unwrap();
        let grants = s.grants.iter().map(|class| {
            let grantee = grantee(&s.caller, *class).unwrap();
            json!({"grantee": grantee, "operations": [operation]})
        });
        put("grants", grants.collect());
    }
    let context: Map<String, Value> = s
        .context
        .iter()
        .map(|(name, kind, values)| {
            let value = match kind {
                Kind::One => values[0].as_str().into(),
                Kind::Many => json!(values),
            };
            (name.clone(), value)
        })
        .collect();
    put("context", context.into());
    Value::Object(case)
}

/// What the slow evaluator answers, in the words of answers: the decision, the statement or
/// grant it rests on, and the kind of policy that turned an allow into a denial.
pub fn expected(s: &Scenario) -> (&'static str, Option<(String, usize)>, Option<&'static str>) {
    let line = reference::decide(s);
    let place = |rest: &str| {
        let (layer, index) = rest.split_once(" #").unwrap();
        let index = index.split(' ').next().unwrap();
        (kind(layer).to_owned(), index.parse().unwrap())
    };
    if let Some(rest) = line.strip_prefix("allow by ") {
        let by = match rest {
            "grant" | "root user" => None,
            rest => Some(place(rest)),
        };
        return ("Allow", by, None);
    }
    let (decision, by, layer) = match line.strip_prefix("explicit deny in ") {
        Some(rest) => {
            let by = place(rest);
            let layer = kind(rest.split(' ').next().unwrap());
            ("ExplicitDeny", Some(by), Some(layer))
        }
        None => {
            let missing = line.strip_prefix("missing ");
            let layer = missing.map(|rest| kind(rest.split(' ').next().unwrap()));
            ("ImplicitDeny", None, layer)
        }
    };
    let blocked = reference::decide(&unblocked(s)).starts_with("allow");
    (decision, by, layer.filter(|_| blocked))
}

fn kind(layer: &str) -> &'static str {
    match layer {
        "scp" => "scp",
        "rcp" => "rcp",
        "resource" => "keyPolicy",
        "identity" => "identityPolicy",
        "boundary" => "boundary",
        "session" => "sessionPolicy",
        other => panic!("{other}"),
    }
}

/// The scenario without anything that denies or only limits.
fn unblocked(s: &Scenario) -> Scenario {
    let undenied = |policy: &Value| {
        let mut policy = policy.clone();
        let statements = match &policy["Statement"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let kept = statements.into_iter().filter(|one| one["Effect"] != "Deny");
        policy["Statement"] = kept.collect();
        policy
    };
    let mut free = s.clone();
    free.resource_policy = s.resource_policy.as_ref().map(undenied);
    free.identity = s.identity.iter().map(undenied).collect();
    free.boundary = None;
    free.scps = Vec::new();
    free.rcps = Vec::new();
    free.session = s.session.as_ref().map(|_| {
        vec![json!({"Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})]
    });
    free
}
