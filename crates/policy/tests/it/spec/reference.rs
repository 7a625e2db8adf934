//! The slow evaluator: AWS's rules clause by clause, on the policies' JSON, sharing no code with
//! the engine. It favours the wording of the documentation over speed everywhere.

mod conditions;
mod text;

use conditions::conditions_hold;
use serde_json::Value;
use text::{Pattern, like, tokens};

use super::scenario::{Caller, LINKED, Scenario, Target};

/// How strongly a key policy names the caller: NONE < ACCOUNT < BASE < EXACT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    None,
    Account,
    Base,
    Exact,
}

/// The operations on keys that may be called from other accounts, and assuming a role.
const CROSS_ACCOUNT: &[&str] = &[
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:RetireGrant",
    "sts:AssumeRole",
];

/// The decision as a line of text.
pub fn decide(s: &Scenario) -> String {
    let outsider = matches!(s.caller, Caller::Service(_) | Caller::Anonymous);
    // A service and who is unknown belong to no account: nothing is its own, and nothing another account's.
    let own = s.caller.account() == Some(s.account) && s.partition == "aws";
    let other_account = !own && !outsider;

    // An operation that is not cross-account is denied whatever the policies say; accounts of
    // one partition do not exist in another.
    if s.partition != "aws" || (other_account && !CROSS_ACCOUNT.contains(&s.action)) {
        return "own account only (hidden)".into();
    }

    let service_linked = matches!(s.caller, Caller::Session(_, _, _, id, _) if id == LINKED);
    let guarded = matches!(s.target, Target::Key | Target::Role);

    // Which policies take part.
    let scps: &[Vec<Value>] = if outsider || service_linked {
        &[]
    } else {
        &s.scps
    };
    let rcps: &[Value] = if service_linked || s.action == "kms:RetireGrant" {
        &[]
    } else {
        &s.rcps
    };
    let resource: Vec<Value> = s.resource_policy.iter().cloned().collect();
    let endpoint: Vec<Value> = s.endpoint.iter().cloned().collect();
    let boundary: Vec<Value> = s.boundary.iter().cloned().collect();
    let session: Vec<Value> = s.session.clone().unwrap_or_default();

    // The key's side: the maximum over all matching key-policy Allows and effective grants.
    let by_policy = strongest(s, &resource);
    let policy_class = by_policy.map_or(Class::None, |(class, _)| class);
    let grant_class = s
        .grants
        .iter()
        .map(|class| match class {
            1 => Class::Account,
            2 => Class::Base,
            _ => Class::Exact,
        })
        .max()
        .unwrap_or(Class::None);
    let key_side = policy_class.max(grant_class);
    let by_key_side = match by_policy {
        Some((class, index)) if class == key_side => format!("allow by resource #{index}"),
        _ => "allow by grant".into(),
    };

    // A caller of another account must not learn whether the key exists.
    let place = if own {
        "own"
    } else if key_side == Class::None
        || first_deny(s, rcps).is_some()
        || first_deny(s, &resource).is_some()
    {
        "hidden"
    } else {
        "other"
    };

    // One matching Deny anywhere ends it.
    let all_scps: Vec<Value> = scps.iter().flatten().cloned().collect();
    for (layer, policies) in [
        ("scp", all_scps.as_slice()),
        ("rcp", rcps),
        ("endpoint", &endpoint),
        ("resource", &resource),
        ("identity", &s.identity),
        ("boundary", &boundary),
        ("session", &session),
    ] {
        if let Some(index) = first_deny(s, policies) {
            return format!("explicit deny in {layer} #{index} ({place})");
        }
    }

    // Every level of SCPs must allow.
    for level in scps {
        if strongest(s, level).is_none() {
            return format!("missing scp ({place})");
        }
    }
    if s.endpoint.is_some() && strongest(s, &endpoint).is_none() {
        return format!("missing endpoint ({place})");
    }

    if outsider {
        return if key_side == Class::Exact {
            by_key_side
        } else {
            // What has no policy of its own is its account's alone.
            format!("missing resource ({place})")
        };
    }

    let identity = strongest(s, &s.identity);
    let root = matches!(s.caller, Caller::Root(_));
    let of_root = matches!(s.caller, Caller::Federated(_, _, None));
    let i = identity.is_some() || of_root;
    let b = s.boundary.is_none() || strongest(s, &boundary).is_some();
    let federated = matches!(s.caller, Caller::Federated(..));
    let session_allows = match &s.session {
        Some(_) => strongest(s, &session).is_some(),
        None => !federated,
    };
    let by_identity = |otherwise: String| match identity {
        Some((_, index)) => format!("allow by identity #{index}"),
        None => otherwise,
    };
    // Implicit denials are named in the order identity, boundary, session.
    let all_of = |i: bool, evidence: String| {
        if !i {
            format!("missing identity ({place})")
        } else if !b {
            format!("missing boundary ({place})")
        } else if !session_allows {
            format!("missing session ({place})")
        } else {
            evidence
        }
    };

    if !guarded {
        if !own {
            return format!("missing resource ({place})");
        }
        if root {
            return "allow by root user".into();
        }
        return all_of(i, by_identity("allow by root user".into()));
    }

    // Within the account, what either policy allows is allowed.
    if s.shared && own && key_side == Class::None {
        return if root {
            "allow by root user".into()
        } else {
            all_of(i, by_identity("allow by root user".into()))
        };
    }
    if key_side == Class::None {
        return format!("missing resource ({place})");
    }
    if own {
        match key_side {
            Class::Exact => by_key_side,
            Class::Base => all_of(true, by_key_side),
            _ if root => by_key_side,
            _ => all_of(i, by_identity(by_key_side)),
        }
    } else if grant_class >= Class::Base {
        all_of(true, "allow by grant".into())
    } else if root {
        by_key_side
    } else {
        all_of(i, by_identity(by_key_side))
    }
}

/// The statements of a policy, with or without brackets.
fn statements(policy: &Value) -> Vec<Value> {
    one_or_many(&policy["Statement"])
}

fn one_or_many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        other => vec![other.clone()],
    }
}

fn texts(value: &Value) -> Vec<String> {
    one_or_many(value)
        .iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// The index of the first statement that denies in the first policy that has one.
fn first_deny(s: &Scenario, policies: &[Value]) -> Option<usize> {
    policies.iter().find_map(|policy| {
        statements(policy).iter().position(|statement| {
            statement["Effect"] == "Deny" && class_of_match(s, policy, statement) > Class::None
        })
    })
}

/// The class of the strongest matching Allow and the index of the first statement of that class.
fn strongest(s: &Scenario, policies: &[Value]) -> Option<(Class, usize)> {
    let mut best: Option<(Class, usize)> = None;
    for policy in policies {
        for (index, statement) in statements(policy).iter().enumerate() {
            if statement["Effect"] != "Allow" {
                continue;
            }
            let class = class_of_match(s, policy, statement);
            if class > best.map_or(Class::None, |(class, _)| class) {
                best = Some((class, index));
            }
        }
    }
    best
}

/// A statement matches when principal, action, resource and all conditions match.
fn class_of_match(s: &Scenario, policy: &Value, statement: &Value) -> Class {
    let class = principal_class(s, statement);
    let matches = class > Class::None
        && action_matches(s, statement)
        && resource_matches(s, policy, statement)
        && conditions_hold(s, policy, statement);
    if matches { class } else { Class::None }
}

fn has_variables(policy: &Value) -> bool {
    policy["Version"] == "2012-10-17"
}

fn action_matches(s: &Scenario, statement: &Value) -> bool {
    let (element, negated) = if statement.get("NotAction").is_some() {
        (&statement["NotAction"], true)
    } else {
        (&statement["Action"], false)
    };
    let listed = texts(element).iter().any(|pattern| {
        let action = s.action.to_ascii_lowercase();
        let pattern = pattern.to_ascii_lowercase();
        if pattern == "*" {
            return true;
        }
        // The vendor takes no wildcard.
        let (vendor, name) = pattern.split_once(':').unwrap();
        let (own_vendor, own_name) = action.split_once(':').unwrap();
        vendor == own_vendor && like(&tokens(name), own_name)
    });
    listed != negated
}

fn resource_matches(s: &Scenario, policy: &Value, statement: &Value) -> bool {
    let (element, negated) = if statement.get("NotResource").is_some() {
        (&statement["NotResource"], true)
    } else if statement.get("Resource").is_some() {
        (&statement["Resource"], false)
    } else {
        // A trust policy: the role that it is attached to.
        return true;
    };
    let listed = texts(element)
        .iter()
        .any(|pattern| one_resource_matches(s, policy, pattern));
    listed != negated
}

fn one_resource_matches(s: &Scenario, policy: &Value, pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    // Variables are allowed only after the fifth colon. Elsewhere nothing has them as text.
    let mut colons = 0;
    for (at, c) in pattern.char_indices() {
        if has_variables(policy) && colons < 5 && pattern[at..].starts_with("${") {
            return false;
        }
        colons += usize::from(c == ':');
    }
    let Some(tokens) = text::substitute(s, pattern, has_variables(policy)) else {
        return false;
    };
    let (Some(pattern), Some(arn)) = (six_parts(&tokens), six_parts(&text::literal(&s.arn))) else {
        return false;
    };
    pattern
        .iter()
        .zip(&arn)
        .all(|(pattern, part)| like(pattern, &text::plain(part)))
}

/// Splits at the first five colons.
fn six_parts(tokens: &[Pattern]) -> Option<Vec<Vec<Pattern>>> {
    let mut parts: Vec<Vec<Pattern>> = vec![Vec::new()];
    for token in tokens {
        if *token == Pattern::Char(':') && parts.len() < 6 {
            parts.push(Vec::new());
        } else {
            parts.last_mut().unwrap().push(*token);
        }
    }
    (parts.len() == 6).then_some(parts)
}

/// Who a policy names: every entry as its word (`AWS`, `Service`, …) and its text.
fn entries(element: &Value) -> Vec<(String, String)> {
    match element {
        Value::String(text) => vec![("AWS".into(), text.clone())],
        Value::Object(words) => words
            .iter()
            .flat_map(|(word, value)| texts(value).into_iter().map(|text| (word.clone(), text)))
            .collect(),
        other => panic!("{other}"),
    }
}

fn principal_class(s: &Scenario, statement: &Value) -> Class {
    if let Some(element) = statement.get("NotPrincipal") {
        // NotPrincipal with Deny always hits a principal that has a permissions boundary.
        if statement["Effect"] == "Deny" && s.boundary.is_some() {
            return Class::Exact;
        }
        let listed: Vec<Class> = entries(element).iter().map(|e| entry_class(s, e)).collect();
        let everyone = entries(element)
            .iter()
            .any(|(w, text)| w == "AWS" && text == "*");
        // Every one of the caller's layers must be listed.
        let layers: &[Class] = match s.caller {
            Caller::Root(_) => &[Class::Account],
            Caller::User(..) => &[Class::Exact, Class::Account],
            Caller::Session(..) | Caller::Federated(_, _, Some(_)) => {
                &[Class::Exact, Class::Base, Class::Account]
            }
            Caller::Federated(_, _, None) => &[Class::Exact, Class::Account],
            Caller::Service(_) | Caller::Anonymous => &[Class::Exact],
        };
        let excepted = everyone || layers.iter().all(|layer| listed.contains(layer));
        return if excepted { Class::None } else { Class::Exact };
    }
    match statement.get("Principal") {
        // Identity-side policies have none: whoever they are attached to.
        None => Class::Exact,
        Some(element) => entries(element)
            .iter()
            .map(|entry| entry_class(s, entry))
            .max()
            .unwrap_or(Class::None),
    }
}

fn entry_class(s: &Scenario, (word, text): &(String, String)) -> Class {
    if word == "Service" {
        let Caller::Service(name) = s.caller else {
            return Class::None;
        };
        // A regional name also stands under the name without Region.
        let general = name.replace(".us-east-1.", ".");
        return if text == name || *text == general {
            Class::Exact
        } else {
            Class::None
        };
    }
    if word != "AWS" {
        return Class::None;
    }
    if text == "*" {
        return Class::Exact;
    }
    // Only `*` names whom nobody knows.
    if let Caller::Service(_) | Caller::Anonymous = s.caller {
        return Class::None;
    }
    let account = s.caller.account().unwrap();
    if text == account || *text == format!("arn:aws:iam::{account}:root") {
        return Class::Account;
    }
    // A user or role ARN stands for the unique id that it was replaced with when stored.
    let id = s.bindings.get(text).unwrap_or(text);
    match &s.caller {
        Caller::User(_, _, _, own) if id == own => Class::Exact,
        Caller::Federated(_, _, Some(maker)) if id == maker => Class::Base,
        Caller::Session(_, _, _, role, _) if id == role => Class::Base,
        Caller::Session(_, _, role, _, session)
            if *text == format!("arn:aws:sts::{account}:assumed-role/{role}/{session}") =>
        {
            Class::Exact
        }
        Caller::Federated(_, name, _)
            if *text == format!("arn:aws:sts::{account}:federated-user/{name}") =>
        {
            Class::Exact
        }
        _ => Class::None,
    }
}
