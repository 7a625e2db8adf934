//! Statements compared with a request, with everything that fails.

use super::{
    Finding, LayerReport, LayerVerdict, Mismatch, PolicyReport, RequestValue, StatementReport, note,
};
use crate::{
    attributes::Values,
    condition::operator::Operator,
    decision::{Layer, PolicyName},
    document::{Effect, Listed},
    policy::{Element, Policy, PolicySource, Recorder, Request},
    principal::Class,
    request::{Name, Question},
};

/// Hears every failure.
#[derive(Default)]
struct All(Vec<Element>);

impl Recorder for All {
    fn failed(&mut self, element: Element) -> bool {
        self.0.push(element);
        true
    }
}

/// The policies of one kind compared with the request.
pub(super) fn layer<'p>(
    layer: Layer,
    level: Option<usize>,
    in_play: bool,
    policies: impl Iterator<Item = (&'p Policy, Option<Name<'p>>)>,
    (question, request): (&Question<'_>, &Request<'_>),
) -> LayerReport {
    let policies: Vec<PolicyReport> = policies
        .map(|(policy, name)| PolicyReport {
            name: name.map(shown),
            statements: statements(policy, (question, request)),
        })
        .collect();
    let mut verdict = match policies.is_empty() {
        true => LayerVerdict::Absent,
        false => LayerVerdict::Silent,
    };
    for statement in policies.iter().flat_map(|policy| &policy.statements) {
        match (statement.applies, statement.denies, verdict) {
            (Some(_), true, _) => verdict = LayerVerdict::Denies,
            (Some(class), false, LayerVerdict::Silent) => verdict = LayerVerdict::Allows(class),
            (Some(class), false, LayerVerdict::Allows(other)) => {
                verdict = LayerVerdict::Allows(class.max(other));
            }
            (
                Some(_),
                false,
                LayerVerdict::Denies | LayerVerdict::Absent | LayerVerdict::NotInPlay,
            )
            | (None, _, _) => {}
        }
    }
    if !in_play && verdict != LayerVerdict::Absent {
        verdict = LayerVerdict::NotInPlay;
    }
    LayerReport {
        layer,
        level,
        verdict,
        policies,
    }
}

fn shown(name: Name<'_>) -> String {
    match PolicyName::from(name) {
        PolicyName::Arn(text) | PolicyName::Inline(text) => text.as_str().to_owned(),
    }
}

fn statements(
    policy: &Policy,
    (question, request): (&Question<'_>, &Request<'_>),
) -> Vec<StatementReport> {
    let source = policy.source();
    // In a document of one line, a line number is useless.
    let lines = source.map(|source| source.lines.as_slice());
    let lines = lines.filter(|lines| lines.iter().any(|line| *line > 1));
    let compiled = policy.statements().iter().enumerate();
    compiled
        .map(|(index, statement)| {
            let mut all = All::default();
            let applies: Option<Class> = statement.applies(request, &mut all);
            let find = |element, met| finding(element, met, index, source, question);
            let written = source.and_then(|source| source.statements.get(index));
            let conditions = written.map_or(0, |written| written.conditions.len());
            let not_principal = written
                .and_then(|written| written.principals.as_ref())
                .filter(|principals| principals.negated)
                .map(|_| Element::Principal);
            let telling = not_principal
                .into_iter()
                .chain((0..conditions).map(Element::Condition))
                .filter(|_| applies.is_some());
            StatementReport {
                index,
                sid: statement.sid.as_ref().map(ToString::to_string),
                line: lines.and_then(|lines| lines.get(index).copied()),
                denies: statement.effect == Effect::Deny,
                applies,
                failed: all.0.into_iter().map(|e| find(e, false)).collect(),
                met: telling.map(|element| find(element, true)).collect(),
            }
        })
        .collect()
}

fn finding(
    element: Element,
    met: bool,
    index: usize,
    source: Option<&PolicySource>,
    question: &Question<'_>,
) -> Finding {
    let written = source.and_then(|source| source.statements.get(index));
    let variables = source.is_some_and(|source| source.variables);
    match element {
        Element::Action => {
            let listed = written.and_then(|written| written.actions.as_ref());
            let mut it = mismatch(listed, String::clone, question.action);
            it.note = note::action(&it.listed, question.action);
            Finding::Action(it)
        }
        Element::Principal => {
            let listed = written.and_then(|written| written.principals.as_ref());
            let text = |(_, text): &(_, String)| text.clone();
            let caller = question.caller;
            let mut it = mismatch(listed, text, caller.arn());
            if caller.arn() != caller.principal_arn() && !caller.principal_arn().is_empty() {
                it.met = format!("{}, a session of {}", caller.arn(), caller.principal_arn());
            }
            let bounded = question.policies.boundary.is_some();
            it.note = note::principal(&it.listed, it.negated, bounded, caller);
            Finding::Principal(it)
        }
        Element::Resource => {
            let listed = written.and_then(|written| written.resources.as_ref());
            let mut it = mismatch(listed, String::clone, question.resource.shown);
            it.note = note::resource(variables, &it.listed, &it.met);
            Finding::Resource(it)
        }
        Element::Condition(place) => {
            let condition = written.and_then(|written| written.conditions.get(place));
            let key = condition.map(|c| c.key.as_str()).unwrap_or_default();
            let operator = condition.map_or(Operator::UNKNOWN, |c| c.operator);
            let listed = condition.map(|c| c.values.clone()).unwrap_or_default();
            let found = match question.context.values(&key.to_lowercase()) {
                Values::Absent => RequestValue::Absent,
                Values::One(value) => RequestValue::One(value.into_owned()),
                Values::Many(values) if values.is_empty() => RequestValue::Absent,
                Values::Many(values) => RequestValue::Many(own(&values)),
                Values::Clash(values) => RequestValue::Clash(own(&values)),
            };
            let denies = written.is_some_and(|written| written.effect == Effect::Deny);
            let outcome = (met, denies);
            let note = condition
                .and_then(|_| note::condition(operator, variables, &listed, &found, outcome));
            Finding::Condition {
                operator: condition.map(|c| c.name.clone()).unwrap_or_default(),
                key: key.to_owned(),
                listed,
                found,
                note,
            }
        }
    }
}

fn own(values: &[std::borrow::Cow<'_, str>]) -> Vec<String> {
    values.iter().map(|value| value.to_string()).collect()
}

fn mismatch<T>(listed: Option<&Listed<T>>, text: impl Fn(&T) -> String, met: &str) -> Mismatch {
    Mismatch {
        negated: listed.is_some_and(|listed| listed.negated),
        listed: listed.map_or_else(Vec::new, |l| l.values.iter().map(text).collect()),
        met: met.to_owned(),
        note: None,
    }
}
