//! The policies of an inquiry in a form that changes can be tried out on.

mod edit;
mod supplied;

use std::borrow::Cow;

use keyward_types::{arn::ArnParts, principal::Principal};

use self::supplied::Supplied;
use super::{Explanation, GrantReport, Inquiry, LayerReport, Setting, change::At, trace};
use crate::{
    attributes::{Values, is_key},
    condition::operator::Operator,
    decision::{Decision, Layer},
    document::PolicyKind,
    evaluate::{Side, evaluate_blocked, is_limited_by_rcps, is_limited_by_scps, with_request},
    grant::{Grant, GrantUse},
    policy::Policy,
    principal::is_service,
    request::{Attached, GrantMatch, Guard, Name, Policies, Question, Resource},
};

/// Enough for every statement of the largest policies to be reported in full.
const LOOK: u64 = 1 << 30;

/// A policy under its name.
#[derive(Clone)]
struct NamedPolicy<'a> {
    policy: Cow<'a, Policy>,
    name: Name<'a>,
}

impl<'a> NamedPolicy<'a> {
    fn of(attached: &Attached<'a>) -> Self {
        Self {
            policy: Cow::Borrowed(attached.policy),
            name: attached.name,
        }
    }

    fn attached(&self) -> Attached<'_> {
        Attached {
            policy: &self.policy,
            name: self.name,
        }
    }
}

/// An inquiry and the changes made to it.
#[derive(Clone)]
pub(super) struct World<'a> {
    inquiry: &'a Inquiry<'a>,
    own: Option<Cow<'a, Policy>>,
    identity: Vec<NamedPolicy<'a>>,
    boundary: Option<NamedPolicy<'a>>,
    session: Option<Vec<NamedPolicy<'a>>>,
    scps: Vec<Vec<NamedPolicy<'a>>>,
    rcps: Vec<NamedPolicy<'a>>,
    endpoint: Option<NamedPolicy<'a>>,
    grants: Vec<Grant>,
    /// The encryption context, with what was supplied.
    pairs: Vec<(String, String)>,
    /// What was supplied.
    supplied: Vec<(String, String)>,
}

impl<'a> World<'a> {
    pub(super) fn of(inquiry: &'a Inquiry<'a>) -> Self {
        let question = inquiry.question;
        let policies = &question.policies;
        let all = |list: &'a [Attached<'a>]| list.iter().map(NamedPolicy::of).collect::<Vec<_>>();
        Self {
            inquiry,
            own: match question.resource.guard {
                Guard::Identity => None,
                Guard::Either { policy } => Some(Cow::Borrowed(policy)),
                Guard::Policy { policy, .. } => policy.map(Cow::Borrowed),
            },
            identity: all(policies.identity),
            boundary: policies.boundary.as_ref().map(NamedPolicy::of),
            session: policies.session.map(all),
            scps: policies.scps.iter().map(|level| all(level)).collect(),
            rcps: all(policies.rcps),
            endpoint: policies.endpoint.as_ref().map(NamedPolicy::of),
            grants: inquiry.grants.to_vec(),
            pairs: inquiry.usage.pairs.to_vec(),
            supplied: Vec::new(),
        }
    }

    pub(super) fn caller(&self) -> &'a Principal {
        self.inquiry.question.caller
    }

    pub(super) fn question(&self) -> &'a Question<'a> {
        self.inquiry.question
    }

    pub(super) fn session_policies(&self) -> usize {
        self.session.as_ref().map_or(0, Vec::len)
    }

    pub(super) fn has_pair(&self, name: &str) -> bool {
        self.pairs
            .iter()
            .any(|(known, _)| is_key(known, &name.to_lowercase()))
    }

    /// Whether the encryption context has exactly that pair.
    pub(super) fn has_exactly(&self, name: &str, value: &str) -> bool {
        let mut pairs = self.pairs.iter();
        pairs.any(|(known, other)| known == name && other == value)
    }

    /// The value that the encryption context has under a name.
    pub(super) fn pair(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        let found = pairs.find(|(known, _)| is_key(known, &name.to_lowercase()));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a pair of that name was supplied by a change.
    pub(super) fn is_supplied(&self, name: &str) -> bool {
        let mut supplied = self.supplied.iter();
        supplied.any(|(known, _)| is_key(known, &name.to_lowercase()))
    }

    pub(super) fn has_source_arn(&self) -> bool {
        self.inquiry.usage.source_arn.is_some()
    }

    /// Whether the request has no value under a condition key.
    pub(super) fn lacks(&self, key: &str) -> bool {
        self.ask(|question| match question.context.values(key) {
            Values::Absent => true,
            Values::Many(values) => values.is_empty(),
            Values::One(_) | Values::Clash(_) => false,
        })
    }

    pub(super) fn setting(&self) -> Setting {
        let question = self.inquiry.question;
        let (caller, resource) = (question.caller, &question.resource);
        Setting {
            foreign: Side::of(caller, resource.account) == Side::Foreign,
            other_partition: caller.partition() != resource.partition,
            guarded: matches!(resource.guard, Guard::Policy { .. }),
            shared: matches!(resource.guard, Guard::Either { .. }),
            retires: question.action.eq_ignore_ascii_case("kms:RetireGrant"),
            service: is_service(caller),
        }
    }

    /// The kind of the resource's own policy.
    pub(super) fn own_kind(&self) -> PolicyKind {
        let arn = ArnParts::parse(self.inquiry.question.resource.arn);
        match arn.map(|arn| arn.service) {
            Some("kms") => PolicyKind::Key,
            Some("iam") => PolicyKind::Trust,
            Some("elasticfilesystem") => PolicyKind::FileSystem,
            Some(_) | None => PolicyKind::Endpoint,
        }
    }

    fn usage(&self) -> GrantUse<'_> {
        GrantUse {
            pairs: &self.pairs,
            ..self.inquiry.usage
        }
    }

    fn ask<T>(&self, look: impl FnOnce(&Question<'_>) -> T) -> T {
        let original = self.inquiry.question;
        let identity: Vec<Attached<'_>> = self.identity.iter().map(NamedPolicy::attached).collect();
        let session = self.session.as_ref();
        let session: Option<Vec<Attached<'_>>> =
            session.map(|held| held.iter().map(NamedPolicy::attached).collect());
        let rcps: Vec<Attached<'_>> = self.rcps.iter().map(NamedPolicy::attached).collect();
        let scps: Vec<Vec<Attached<'_>>> = self
            .scps
            .iter()
            .map(|level| level.iter().map(NamedPolicy::attached).collect())
            .collect();
        let scps: Vec<&[Attached<'_>]> = scps.iter().map(Vec::as_slice).collect();
        let usage = self.usage();
        let matching: Vec<GrantMatch<'_>> = self
            .grants
            .iter()
            .filter_map(|grant| {
                let class = grant.check(original.caller, original.action, &usage).ok()?;
                let id = grant.id.as_str();
                Some(GrantMatch { id, class })
            })
            .collect();
        let context = Supplied {
            base: original.context,
            pairs: &self.supplied,
        };
        let mut resource = Resource {
            ..original.resource
        };
        match (&mut resource.guard, self.own.as_deref()) {
            (Guard::Policy { policy, grants }, own) => {
                *policy = own;
                *grants = &matching;
            }
            (Guard::Either { policy }, Some(own)) => *policy = own,
            (Guard::Either { .. } | Guard::Identity, _) => {}
        }
        look(&Question {
            caller: original.caller,
            action: original.action,
            resource,
            context: &context,
            policies: Policies {
                identity: &identity,
                boundary: self.boundary.as_ref().map(NamedPolicy::attached),
                session: session.as_deref(),
                scps: &scps,
                rcps: &rcps,
                endpoint: self.endpoint.as_ref().map(NamedPolicy::attached),
            },
        })
    }

    pub(super) fn decide(&self) -> Decision {
        self.ask(|question| evaluate_blocked(question).0)
    }

    /// The value of a single-valued condition key.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        self.ask(|question| match question.context.values(key) {
            Values::One(value) => Some(value.into_owned()),
            Values::Absent | Values::Many(_) | Values::Clash(_) => None,
        })
    }

    /// The whole explanation without suggestions.
    pub(super) fn look(&self) -> Explanation {
        let usage = self.usage();
        let (decision, blocked_by) = self.ask(evaluate_blocked);
        let original = self.inquiry.question;
        Explanation {
            decision,
            blocked_by,
            caller: original.caller.arn().to_owned(),
            action: original.action.to_owned(),
            resource: original.resource.shown.to_owned(),
            setting: self.setting(),
            layers: self.layers(),
            grants: self
                .grants
                .iter()
                .map(|grant| GrantReport {
                    id: grant.id.clone(),
                    grantee: grant.grantee.text.clone(),
                    outcome: grant.check(original.caller, original.action, &usage),
                })
                .collect(),
            suggestions: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn grants(&self) -> Vec<(&Grant, Result<(), Vec<crate::grant::Unmet>>)> {
        let original = self.inquiry.question;
        let usage = self.usage();
        let grants = self.grants.iter();
        grants
            .map(|grant| {
                let outcome = grant.check(original.caller, original.action, &usage);
                (grant, outcome.map(|_| ()))
            })
            .collect()
    }

    /// Every policy compared with the request.
    pub(super) fn layers(&self) -> Vec<LayerReport> {
        self.ask(|question| {
            with_request(question, LOOK, |request| {
                let policies = &question.policies;
                let mut layers = Vec::new();
                let limited = is_limited_by_scps(question.caller);
                for (level, list) in policies.scps.iter().enumerate() {
                    let mut report = trace::layer(
                        Layer::Scp,
                        Some(level),
                        limited,
                        each(list),
                        (question, request),
                    );
                    // A level without policies allows nothing, and so denies.
                    if limited && list.is_empty() {
                        report.verdict = super::LayerVerdict::Silent;
                    }
                    layers.push(report);
                }
                let limited = is_limited_by_rcps(question);
                layers.push(trace::layer(
                    Layer::Rcp,
                    None,
                    limited,
                    each(policies.rcps),
                    (question, request),
                ));
                let endpoint = policies.endpoint.as_slice();
                layers.push(trace::layer(
                    Layer::Endpoint,
                    None,
                    true,
                    each(endpoint),
                    (question, request),
                ));
                let own = self.own.as_deref().into_iter().map(|policy| (policy, None));
                layers.push(trace::layer(
                    Layer::Resource,
                    None,
                    true,
                    own,
                    (question, request),
                ));
                let boundary = policies.boundary.as_slice();
                for (layer, list) in [
                    (Layer::Identity, policies.identity),
                    (Layer::Boundary, boundary),
                    (Layer::Session, policies.session.unwrap_or_default()),
                ] {
                    layers.push(trace::layer(
                        layer,
                        None,
                        true,
                        each(list),
                        (question, request),
                    ));
                }
                layers
            })
        })
    }

    /// The conditions of a statement: operator, key and values.
    pub(super) fn conditions_at(&self, at: &At) -> Option<Vec<(Operator, String, Vec<String>)>> {
        let written = self.written_at(at)?.into_iter();
        let read = |(name, key, values): (String, _, _)| {
            let operator = Operator::parse(&name).unwrap_or(Operator::UNKNOWN);
            (operator, key, values)
        };
        Some(written.map(read).collect())
    }

    /// The conditions of a statement as written: the operator's name, key and values.
    pub(super) fn written_at(&self, at: &At) -> Option<Vec<(String, String, Vec<String>)>> {
        let place = at.target.policy.unwrap_or(0);
        let held = match at.target.layer {
            Layer::Resource => return conditions(self.own.as_deref()?, at.index),
            Layer::Scp => self.scps.get(at.target.level?)?.get(place)?,
            Layer::Rcp => self.rcps.get(place)?,
            Layer::Endpoint => self.endpoint.as_ref()?,
            Layer::Identity => self.identity.get(place)?,
            Layer::Boundary => self.boundary.as_ref()?,
            Layer::Session => self.session.as_ref()?.get(place)?,
        };
        conditions(&held.policy, at.index)
    }
}

fn conditions(policy: &Policy, index: usize) -> Option<Vec<(String, String, Vec<String>)>> {
    let written = policy.source()?.statements.get(index)?;
    let conditions = written.conditions.iter();
    let owned = conditions.map(|c| (c.name.clone(), c.key.clone(), c.values.clone()));
    Some(owned.collect())
}

fn each<'p>(list: &'p [Attached<'p>]) -> impl Iterator<Item = (&'p Policy, Option<Name<'p>>)> {
    list.iter()
        .map(|attached| (attached.policy, Some(attached.name)))
}
