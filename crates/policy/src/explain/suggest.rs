//! Looks for the least that would make a denial an allow, and tries it out.

use keyward_types::principal::PrincipalKind;

use super::{
    Finding, LayerReport, RequestValue,
    change::{At, NewPrincipal, NewStatement, ProposedChange, StatementTarget, Suggestion},
    world::World,
};
use crate::{
    condition::operator::{Base, Operator, Quantifier},
    decision::{Decision, Layer, Reason},
    document::PolicyKind,
    grant::{GRANT_OPERATIONS, Unmet},
};

/// The most changes in a suggestion: each kind of policy may deny and then fail to allow.
const MOST_CHANGES: usize = 24;
/// The most changes in any suggestion but the first.
const MOST_OF_ALTERNATIVE: usize = 3;
/// The most suggestions.
const MOST: usize = 4;

/// What to try first.
#[derive(Clone, Copy, Default)]
struct Leaning {
    /// Pairs of the encryption context.
    pairs: bool,
    /// The account in the key policy, where an identity policy allows already.
    delegation: bool,
    /// Grants.
    grants: bool,
    /// Removing what denies, instead of excepting the caller.
    removal: bool,
}

/// What would allow the call, the least first.
pub(super) fn suggest(world: &World<'_>) -> Vec<Suggestion> {
    let plain = Leaning::default();
    let leanings = [
        Leaning {
            pairs: true,
            ..plain
        },
        plain,
        Leaning {
            delegation: true,
            ..plain
        },
        Leaning {
            grants: true,
            ..plain
        },
        Leaning {
            removal: true,
            ..plain
        },
    ];
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for leaning in leanings {
        if let Some(suggestion) = solve(world, leaning)
            && !suggestions.contains(&suggestion)
        {
            suggestions.push(suggestion);
        }
    }
    // Another call is less than another policy.
    let edits = |suggestion: &Suggestion| {
        let mut changes = suggestion.changes.iter();
        changes.any(|change| !matches!(change, ProposedChange::SupplyPair { .. }))
    };
    suggestions.sort_by_key(|suggestion| (edits(suggestion), suggestion.changes.len()));
    // Long alternatives to a long change do not help.
    let mut place = 0;
    suggestions.retain(|suggestion| {
        place += 1;
        place == 1 || suggestion.changes.len() <= MOST_OF_ALTERNATIVE
    });
    suggestions.truncate(MOST);
    suggestions
}

fn solve(world: &World<'_>, leaning: Leaning) -> Option<Suggestion> {
    let mut changed = world.clone();
    let mut changes = Vec::new();
    while changes.len() < MOST_CHANGES {
        let reason = match changed.decide() {
            Decision::Allow(_) => return Some(least(world, changes)),
            Decision::Deny(denial) => denial.reason,
        };
        let change = next(&changed, &reason, leaning)?;
        if !changed.apply(&change) {
            return None;
        }
        changes.push(change);
    }
    None
}

/// Leaves out whatever turns out not to be needed.
fn least(world: &World<'_>, mut changes: Vec<ProposedChange>) -> Suggestion {
    let mut place = 0;
    while place < changes.len() {
        let mut fewer = changes.clone();
        fewer.remove(place);
        // Places in a policy shift when a statement before them is not removed.
        let shifts = matches!(changes.get(place), Some(ProposedChange::RemoveStatement(_)));
        if !shifts && allows(world, &fewer) {
            changes = fewer;
        } else {
            place += 1;
        }
    }
    Suggestion { changes }
}

fn allows(world: &World<'_>, changes: &[ProposedChange]) -> bool {
    let mut changed = world.clone();
    changes.iter().all(|change| changed.apply(change)) && changed.decide().is_allow()
}

fn next(world: &World<'_>, reason: &Reason, leaning: Leaning) -> Option<ProposedChange> {
    let layers = world.layers();
    match reason {
        Reason::Explicit(statement) => {
            let at = denying(&layers, statement.layer)?;
            if leaning.pairs
                && let Some(pair) = pair_against(world, &at)
            {
                return Some(pair);
            }
            // A service has no ARN to be excepted by.
            match world.value("aws:principalarn") {
                Some(arn) if !leaning.removal => Some(ProposedChange::ExceptCaller(at, arn)),
                Some(_) | None => Some(ProposedChange::RemoveStatement(at)),
            }
        }
        Reason::Missing(layer) => missing(world, *layer, &layers, leaning),
        Reason::OwnAccountOnly | Reason::OverBudget => None,
    }
}

fn missing(
    world: &World<'_>,
    layer: Layer,
    layers: &[LayerReport],
    leaning: Leaning,
) -> Option<ProposedChange> {
    let setting = world.setting();
    if leaning.pairs
        && let Some(pair) = pair_for(world, layer, layers)
    {
        return Some(pair);
    }
    let on_key_side = layer == Layer::Resource;
    if on_key_side && !setting.guarded && !setting.shared
        || layer == Layer::Identity && setting.service
    {
        return None;
    }
    if setting.retires && on_key_side {
        return grant(world);
    }
    if leaning.grants
        && matches!(layer, Layer::Resource | Layer::Identity)
        && let Some(grant) = grant(world)
    {
        return Some(grant);
    }
    let level = match layer {
        Layer::Scp => Some(silent_level(layers)?),
        Layer::Rcp
        | Layer::Endpoint
        | Layer::Resource
        | Layer::Identity
        | Layer::Boundary
        | Layer::Session => None,
    };
    let there = layers.iter().find(|r| r.layer == layer && r.level == level);
    let first = there.and_then(|report| report.policies.first());
    let policy = match layer {
        // A new inline policy affects others least, who share the managed ones.
        Layer::Identity => None,
        Layer::Session if world.session_policies() == 0 => None,
        Layer::Scp
        | Layer::Rcp
        | Layer::Endpoint
        | Layer::Resource
        | Layer::Boundary
        | Layer::Session => first.map(|_| 0),
    };
    let target = StatementTarget {
        layer,
        level,
        policy,
        name: policy.and(first).and_then(|policy| policy.name.clone()),
    };
    let mut statement = new_statement(world, layer);
    let identity_allows = layers
        .iter()
        .any(|report| report.layer == Layer::Identity && allows_something(report));
    if leaning.delegation
        && on_key_side
        && identity_allows
        && !setting.foreign
        && let Some(account) = world.caller().account()
    {
        let partition = world.caller().partition();
        let account = format!("arn:{partition}:iam::{account}:root");
        statement.principal = Some(NewPrincipal::Aws(account));
    }
    Some(ProposedChange::AddStatement(target, statement))
}

/// The first level of service control policies where nothing allows.
fn silent_level(layers: &[LayerReport]) -> Option<usize> {
    let levels = layers.iter().filter(|report| report.layer == Layer::Scp);
    levels
        .filter(|report| !allows_something(report))
        .find_map(|report| report.level)
}

fn allows_something(report: &LayerReport) -> bool {
    let mut statements = report.policies.iter().flat_map(|p| &p.statements);
    statements.any(|statement| !statement.denies && statement.applies.is_some())
}

fn new_statement(world: &World<'_>, layer: Layer) -> NewStatement {
    let question = world.question();
    let shown = question.resource.shown;
    let literal = !shown.contains(['?', '$']) && (shown == "*" || !shown.contains('*'));
    let shown = if literal { shown } else { "*" };
    let (principal, resource) = match layer {
        Layer::Resource => {
            let resource = match world.own_kind() {
                PolicyKind::Trust => None,
                PolicyKind::Key => Some("*"),
                PolicyKind::FileSystem => Some(shown),
                PolicyKind::Identity
                | PolicyKind::ManagedIdentity
                | PolicyKind::Boundary
                | PolicyKind::Session
                | PolicyKind::Scp
                | PolicyKind::Rcp
                | PolicyKind::Endpoint => Some(shown),
            };
            (Some(principal(world)), resource)
        }
        Layer::Endpoint => (Some(principal(world)), Some(shown)),
        Layer::Scp | Layer::Rcp | Layer::Identity | Layer::Boundary | Layer::Session => {
            (None, Some(shown))
        }
    };
    // A policy that allows a service should say for whom it may act.
    let source_arn = world
        .value("aws:sourcearn")
        .filter(|_| matches!(principal, Some(NewPrincipal::Service(_))));
    NewStatement {
        principal,
        action: question.action.to_owned(),
        resource: resource.map(str::to_owned),
        source_arn,
    }
}

/// How a policy names the caller: a session by its role.
fn principal(world: &World<'_>) -> NewPrincipal {
    let caller = world.caller();
    match caller.kind() {
        PrincipalKind::Service { name } => NewPrincipal::Service(name.clone()),
        PrincipalKind::WebIdentity { provider, .. } => NewPrincipal::Federated(provider.clone()),
        PrincipalKind::Anonymous => NewPrincipal::Aws("*".to_owned()),
        PrincipalKind::RoleSession { .. } => NewPrincipal::Aws(caller.principal_arn().to_owned()),
        PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::FederatedUser { .. } => {
            NewPrincipal::Aws(caller.arn().to_owned())
        }
    }
}

fn grant(world: &World<'_>) -> Option<ProposedChange> {
    let setting = world.setting();
    if !setting.guarded || setting.service || world.own_kind() != PolicyKind::Key {
        return None;
    }
    let (_, operation) = world.question().action.split_once(':')?;
    let mut operations = GRANT_OPERATIONS.iter();
    let operation = operations.find(|name| name.eq_ignore_ascii_case(operation))?;
    match principal(world) {
        NewPrincipal::Aws(grantee) => Some(ProposedChange::CreateGrant {
            grantee,
            operation: (*operation).to_owned(),
        }),
        NewPrincipal::Service(_) | NewPrincipal::Federated(_) => None,
    }
}

/// The first statement that denies among the policies of that kind.
fn denying(layers: &[LayerReport], layer: Layer) -> Option<At> {
    for report in layers.iter().filter(|report| report.layer == layer) {
        for (place, policy) in report.policies.iter().enumerate() {
            let mut statements = policy.statements.iter();
            if let Some(found) = statements.find(|s| s.denies && s.applies.is_some()) {
                return Some(At {
                    target: StatementTarget {
                        layer,
                        level: report.level,
                        policy: Some(place),
                        name: policy.name.clone(),
                    },
                    index: found.index,
                    sid: found.sid.clone(),
                });
            }
        }
    }
    None
}

/// A pair without which a statement that would allow does not, and with which it may.
fn pair_for(world: &World<'_>, layer: Layer, layers: &[LayerReport]) -> Option<ProposedChange> {
    let reports = layers.iter().filter(|report| report.layer == layer);
    let statements = reports
        .flat_map(|report| &report.policies)
        .flat_map(|policy| &policy.statements)
        .filter(|statement| !statement.denies && statement.applies.is_none());
    for statement in statements {
        let pairs: Option<Vec<ProposedChange>> = statement
            .failed
            .iter()
            .map(|failure| suppliable(world, failure))
            .collect();
        if let Some(pair) = pairs.and_then(|pairs| pairs.into_iter().next()) {
            return Some(pair);
        }
    }
    if !matches!(layer, Layer::Resource | Layer::Identity) {
        return None;
    }
    for (grant, outcome) in world.grants() {
        let Err(unmet) = outcome else { continue };
        let by_context = |what: &Unmet| matches!(what, Unmet::Equals | Unmet::Subset(..));
        if !unmet.iter().all(by_context) {
            continue;
        }
        let wanted = grant
            .constraints
            .equals
            .iter()
            .chain(&grant.constraints.subset);
        for (name, value) in wanted.flatten() {
            if !world.has_pair(name) {
                return Some(ProposedChange::SupplyPair {
                    name: name.clone(),
                    value: value.clone(),
                    instead_of: None,
                });
            }
        }
    }
    None
}

/// The pair whose absence, or whose other value, is all that fails here.
fn suppliable(world: &World<'_>, failure: &Finding) -> Option<ProposedChange> {
    let Finding::Condition {
        operator,
        key,
        listed,
        found: RequestValue::Absent | RequestValue::One(_),
        note: _,
    } = failure
    else {
        return None;
    };
    let operator = Operator::parse(operator)?;
    pair(world, operator, false, key, listed)
}

/// The pair that changes the result of a condition on the encryption context.
fn pair(
    world: &World<'_>,
    operator: Operator,
    negated: bool,
    key: &str,
    listed: &[String],
) -> Option<ProposedChange> {
    let prefix = "kms:EncryptionContext:";
    let (head, name) = key.split_at_checked(prefix.len())?;
    let by_text = match operator.base {
        Base::StringEquals | Base::StringEqualsIgnoreCase | Base::StringLike => true,
        Base::Numeric(_)
        | Base::Date(_)
        | Base::Bool
        | Base::Binary
        | Base::Ip
        | Base::Arn
        | Base::Null
        | Base::Unknown => false,
    };
    let value = listed.first()?;
    let fits = head.eq_ignore_ascii_case(prefix)
        && by_text
        && operator.negated == negated
        && operator.quantifier != Quantifier::ForAllValues
        && !value.contains("${")
        && (operator.base != Base::StringLike || !value.contains(['*', '?']))
        // If one statement needs what another one forbids, they are not tried in turns.
        && !world.is_supplied(name);
    fits.then(|| ProposedChange::SupplyPair {
        name: name.to_owned(),
        value: value.clone(),
        instead_of: world.pair(name).map(str::to_owned),
    })
}

/// A pair with which a statement that denies does not apply.
fn pair_against(world: &World<'_>, at: &At) -> Option<ProposedChange> {
    let conditions = world.conditions_at(at)?;
    conditions
        .iter()
        .find_map(|(operator, key, listed)| pair(world, *operator, true, key, listed))
}
