//! What a denial leaves open: ways in which other requests of the same caller are allowed, which
//! have condition values that the question does not give.

use super::{
    Finding, Inquiry, LayerReport, RequestValue, StatementReport,
    change::{At, StatementTarget},
    phrase,
    world::World,
};
use crate::{
    decision::{Decision, Evidence},
    grant::Unmet,
};

/// The most ways that are looked for.
const MOST_WAYS: usize = 8;
/// The most assumptions that are tried out.
const MOST_ASSUMPTIONS: usize = 48;

/// A way in which a request may be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What the allow is based on.
    pub evidence: Evidence,
    /// What the request must have, as clauses after "if".
    pub conditions: Vec<String>,
    /// What it must not have, as clauses after "unless".
    pub exceptions: Vec<String>,
}

/// Something that the question leaves open, taken to be in the caller's favor.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Assumption {
    /// These conditions of a statement that allows hold.
    Holds {
        at: At,
        places: Vec<usize>,
        clauses: Vec<String>,
    },
    /// A statement that denies does not apply: this condition holds, or all of those do not.
    Fails {
        at: At,
        instead: Option<String>,
        clauses: Vec<String>,
    },
    /// The request meets a grant's constraints.
    Grant { index: usize, clauses: Vec<String> },
}

/// The ways, each tried out by the evaluator, none with a condition that it does not need. Empty if
/// the call is allowed as it is, and if nothing that is left open would allow it. `is_known` says
/// for a condition key, in lower case, whether its value is known even if it is absent.
pub fn ways(inquiry: &Inquiry<'_>, is_known: fn(&str) -> bool) -> Vec<Way> {
    let world = World::of(inquiry);
    let layers = world.layers();
    let all = assumptions(&world, &layers, is_known);
    let every: Vec<usize> = (0..all.len()).collect();
    if all.is_empty() || world.decide().is_allow() || decide(&world, &all, &every).is_none() {
        return Vec::new();
    }
    let exceptions = exceptions(&layers, is_known);
    let mut found: Vec<(Vec<usize>, Evidence)> = Vec::new();
    for leader in &every {
        // Whatever the leader can do without is given up before it.
        let others = every.iter().filter(|place| *place != leader);
        let mut kept = every.clone();
        let mut evidence = None;
        for place in others.chain([leader]) {
            let fewer: Vec<usize> = kept.iter().copied().filter(|kept| kept != place).collect();
            if let Some(by) = decide(&world, &all, &fewer) {
                (kept, evidence) = (fewer, Some(by));
            }
        }
        let evidence = evidence.or_else(|| decide(&world, &all, &kept));
        if let Some(evidence) = evidence
            && kept.contains(leader)
            && !found.iter().any(|(known, _)| *known == kept)
        {
            found.push((kept, evidence));
        }
        if found.len() == MOST_WAYS {
            break;
        }
    }
    let told = found.into_iter().map(|(kept, evidence)| {
        let mut way = Way {
            evidence,
            conditions: Vec::new(),
            exceptions: exceptions.clone(),
        };
        for assumption in kept.iter().filter_map(|place| all.get(*place)) {
            match assumption {
                Assumption::Holds { clauses, .. } | Assumption::Grant { clauses, .. } => {
                    way.conditions.extend(clauses.iter().cloned());
                }
                Assumption::Fails {
                    instead: Some(clause),
                    ..
                } => way.conditions.push(clause.clone()),
                Assumption::Fails { clauses, .. } => way.exceptions.push(clauses.join(" and ")),
            }
        }
        way.conditions.dedup();
        way
    });
    told.collect()
}

/// What an otherwise allowed request must not have: the conditions of statements that deny and that
/// do not apply only because the question does not give their values. Clauses after "unless".
pub fn exceptions(layers: &[LayerReport], is_known: fn(&str) -> bool) -> Vec<String> {
    let statements = layers
        .iter()
        .flat_map(|report| &report.policies)
        .flat_map(|policy| &policy.statements)
        .filter(|statement| statement.denies && statement.applies.is_none());
    let mut exceptions: Vec<String> = statements
        .filter_map(|statement| {
            let clauses: Option<Vec<String>> = statement
                .failed
                .iter()
                .map(|finding| open_clause(finding, is_known))
                .collect();
            clauses.map(|clauses| clauses.join(" and "))
        })
        .collect();
    exceptions.dedup();
    exceptions
}

/// Whether the question does not give a condition's value.
fn is_open(finding: &Finding, is_known: fn(&str) -> bool) -> bool {
    match finding {
        Finding::Condition {
            key,
            found: RequestValue::Absent,
            ..
        } => !is_known(&key.to_lowercase()),
        Finding::Condition { .. }
        | Finding::Action(_)
        | Finding::Principal(_)
        | Finding::Resource(_) => false,
    }
}

fn open_clause(finding: &Finding, is_known: fn(&str) -> bool) -> Option<String> {
    match finding {
        Finding::Condition {
            operator,
            key,
            listed,
            ..
        } if is_open(finding, is_known) => Some(phrase::condition(operator, key, listed)),
        Finding::Condition { .. }
        | Finding::Action(_)
        | Finding::Principal(_)
        | Finding::Resource(_) => None,
    }
}

/// What follows if only these are assumed.
fn decide(world: &World<'_>, all: &[Assumption], assumed: &[usize]) -> Option<Evidence> {
    let mut world = world.clone();
    for assumption in assumed.iter().filter_map(|place| all.get(*place)) {
        match assumption {
            Assumption::Holds { at, places, .. } => world.without_conditions(at, places),
            Assumption::Fails { at, .. } => world.silence(at),
            Assumption::Grant { index, .. } => world.unconstrained(*index),
        }
    }
    match world.decide() {
        Decision::Allow(evidence) => Some(evidence),
        Decision::Deny(_) => None,
    }
}

fn assumptions(
    world: &World<'_>,
    layers: &[LayerReport],
    is_known: fn(&str) -> bool,
) -> Vec<Assumption> {
    let mut found = Vec::new();
    for report in layers {
        for (place, policy) in report.policies.iter().enumerate() {
            for statement in &policy.statements {
                let at = At {
                    target: StatementTarget {
                        layer: report.layer,
                        level: report.level,
                        policy: Some(place),
                        name: policy.name.clone(),
                    },
                    index: statement.index,
                    sid: statement.sid.clone(),
                };
                let assumption = match (statement.denies, statement.applies) {
                    (false, None) => holds(world, at, statement, is_known),
                    (true, Some(_)) => fails(at, statement, is_known),
                    (false, Some(_)) | (true, None) => None,
                };
                found.extend(assumption);
            }
        }
    }
    for (index, (grant, outcome)) in world.grants().into_iter().enumerate() {
        let Err(unmet) = outcome else { continue };
        // A pair that the request has under another value is settled.
        let open = |pairs: &Option<Vec<(String, String)>>| {
            let mut pairs = pairs.iter().flatten();
            pairs.all(|(name, value)| !world.has_pair(name) || world.has_exactly(name, value))
        };
        let fits = unmet.iter().all(|what| match what {
            Unmet::Equals => open(&grant.constraints.equals),
            Unmet::Subset(..) => open(&grant.constraints.subset),
            Unmet::SourceArn => !world.has_source_arn(),
            Unmet::Grantee | Unmet::Operation | Unmet::Standing | Unmet::Widens => false,
        });
        if !fits {
            continue;
        }
        let mut clauses = Vec::new();
        let constraints = &grant.constraints;
        for (name, value) in constraints
            .equals
            .iter()
            .chain(&constraints.subset)
            .flatten()
        {
            clauses.push(format!("kms:EncryptionContext:{name} = {value}"));
        }
        if constraints.equals.is_some() {
            clauses.push("the encryption context has nothing else".to_owned());
        }
        if let Some(arn) = &constraints.source_arn {
            clauses.push(format!("aws:SourceArn = {arn}"));
        }
        found.push(Assumption::Grant { index, clauses });
    }
    found.truncate(MOST_ASSUMPTIONS);
    found
}

/// A statement that would allow if conditions held whose values the question does not give.
fn holds(
    world: &World<'_>,
    at: At,
    statement: &StatementReport,
    is_known: fn(&str) -> bool,
) -> Option<Assumption> {
    if !statement.failed.iter().all(|f| is_open(f, is_known)) {
        return None;
    }
    let mut places = Vec::new();
    let mut clauses = Vec::new();
    for (place, (operator, key, listed)) in world.written_at(&at)?.into_iter().enumerate() {
        let key_lower = key.to_lowercase();
        if !is_known(&key_lower) && world.lacks(&key_lower) {
            places.push(place);
            clauses.push(phrase::condition(&operator, &key, &listed));
        }
    }
    Some(Assumption::Holds {
        at,
        places,
        clauses,
    })
}

/// A statement that denies under conditions whose values the question does not give.
fn fails(at: At, statement: &StatementReport, is_known: fn(&str) -> bool) -> Option<Assumption> {
    let open: Vec<&Finding> = statement
        .met
        .iter()
        .filter(|finding| is_open(finding, is_known))
        .collect();
    let clauses: Vec<String> = open
        .iter()
        .filter_map(|finding| open_clause(finding, is_known))
        .collect();
    let instead = match open.as_slice() {
        [] => return None,
        [
            Finding::Condition {
                operator,
                key,
                listed,
                ..
            },
        ] => phrase::opposite(operator, key, listed),
        _ => None,
    };
    Some(Assumption::Fails {
        at,
        instead,
        clauses,
    })
}
