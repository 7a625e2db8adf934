//! The decision: which policies apply to whom, and what they decide together.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
//! <https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html>

use std::cell::OnceCell;

use keyward_types::{
    account::AccountId,
    principal::{Principal, PrincipalKind},
};
use smallvec::SmallVec;

use crate::{
    attributes::Scope,
    decision::{Decision, Denial, Evidence, Layer, Reason, StatementRef, Whose},
    document::Effect,
    policy::{Policy, Request, Statement, Unrecorded},
    principal::{Class, is_outsider, is_service_linked},
    request::{Attached, Guard, Name, Question, reaches_other_accounts},
    work::{BUDGET, Work},
};

/// Evaluates the policies. Pure: the same question has the same answer, and the answer proves
/// nothing.
pub fn evaluate(question: &Question<'_>) -> Decision {
    evaluate_blocked(question).0
}

/// Evaluates the policies, and for a denial also which kind of policy turned an allow into it: the
/// one that the denial names, if without explicit denials and without what service control,
/// endpoint, boundary and session policies fail to allow the call would have been allowed.
pub fn evaluate_blocked(question: &Question<'_>) -> (Decision, Option<Layer>) {
    with_request(question, BUDGET, |request| {
        match decide(question, request) {
            Ok(evidence) => (Decision::Allow(evidence), None),
            Err((denial, blocked_by)) => (Decision::Deny(denial), blocked_by),
        }
    })
}

/// Prepares the question for the statements to be compared with it.
pub(crate) fn with_request<T>(
    question: &Question<'_>,
    budget: u64,
    ask: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let mut lower: SmallVec<[u8; 64]> = SmallVec::from_slice(question.action.as_bytes());
    lower.make_ascii_lowercase();
    let action = std::str::from_utf8(&lower).unwrap_or_default();
    let (service, action) = action.split_once(':').unwrap_or(("", action));
    let work = Work::new(budget);
    ask(&Request {
        caller: question.caller,
        bounded: question.policies.boundary.is_some(),
        resource: question.resource.arn,
        service,
        action,
        parts: OnceCell::new(),
        scope: Scope {
            context: question.context,
            work: &work,
        },
    })
}

/// Whether service control policies limit the caller: not service principals and sessions of
/// service-linked roles.
pub(crate) fn is_limited_by_scps(caller: &Principal) -> bool {
    !is_service_linked(caller) && !is_outsider(caller)
}

/// Whether resource control policies limit the call: not sessions of service-linked roles, and
/// not RetireGrant.
pub(crate) fn is_limited_by_rcps(question: &Question<'_>) -> bool {
    !is_service_linked(question.caller) && !question.action.eq_ignore_ascii_case("kms:RetireGrant")
}

fn decide(
    question: &Question<'_>,
    request: &Request<'_>,
) -> Result<Evidence, (Denial, Option<Layer>)> {
    let (caller, resource) = (question.caller, &question.resource);
    let other_partition = caller.partition() != resource.partition;
    let side = Side::of(caller, resource.account);
    let foreign = side == Side::Foreign;
    if other_partition || foreign && !reaches_other_accounts(question.action) {
        let denial = Denial {
            reason: Reason::OwnAccountOnly,
            place: Whose::Hidden(resource.named),
        };
        return Err((denial, None));
    }

    let sides = Sides::ask(question, request);
    let key_side = sides.key_side();
    let place = if side == Side::Own {
        Whose::Own
    } else if key_side.is_none() || sides.rcp.denied.is_some() || sides.resource.denied.is_some() {
        Whose::Hidden(resource.named)
    } else {
        Whose::Other(resource.named)
    };
    // Without what blocks it, would the call be allowed?
    let blocked = |layer| {
        let combined = sides.unblocked().combine(caller, key_side, side);
        combined.is_ok().then_some(layer)
    };
    let deny = |reason, layer| Err((Denial { reason, place }, blocked(layer)));

    if request.scope.work.is_exhausted() {
        let denial = Denial {
            reason: Reason::OverBudget,
            // Whether the budget suffices may hang on the other account's policy.
            place: if side == Side::Own {
                Whose::Own
            } else {
                Whose::Hidden(resource.named)
            },
        };
        return Err((denial, None));
    }
    if let Some(hit) = sides.explicit() {
        return deny(Reason::Explicit(Box::new(hit.statement())), hit.layer);
    }
    if let Some(layer) = sides.missing_guardrail {
        return deny(Reason::Missing(layer), layer);
    }
    match sides.combine(caller, key_side, side) {
        Ok(evidence) => Ok(evidence),
        Err(layer) => deny(Reason::Missing(layer), layer),
    }
}

/// Whose the resource is, seen from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The caller's own account's.
    Own,
    /// Another account's.
    Foreign,
    /// The resource belongs to an account, and the caller to none: only the resource's own side
    /// decides, and the caller is told what strangers are told.
    Neither,
}

impl Side {
    pub(crate) fn of(caller: &Principal, owner: AccountId) -> Self {
        match caller.account() {
            Some(account) if account == owner => Self::Own,
            Some(_) => Self::Foreign,
            None => Self::Neither,
        }
    }
}

/// What every part said.
#[derive(Clone, Copy)]
struct Sides<'a> {
    scp: Part<'a>,
    rcp: Part<'a>,
    endpoint: Part<'a>,
    resource: Part<'a>,
    identity: Part<'a>,
    boundary: Part<'a>,
    session: Part<'a>,
    /// A layer that must allow and does not.
    missing_guardrail: Option<Layer>,
    /// The strongest grant.
    grant: Option<(Class, &'a str)>,
    /// Whether the resource has a policy of its own, which must allow the caller.
    guarded: bool,
    /// Whether boundary and session policies let the caller use what it was given.
    boundary_allows: bool,
    session_allows: bool,
    /// Whether the session was made with session policies.
    has_session_policies: bool,
}

/// What the policies of one part said.
#[derive(Clone, Copy, Default)]
struct Part<'a> {
    denied: Option<Hit<'a>>,
    /// The first statement of the strongest class.
    allowed: Option<Hit<'a>>,
}

/// A statement that applies.
#[derive(Clone, Copy)]
struct Hit<'a> {
    statement: &'a Statement,
    name: Option<&'a Name<'a>>,
    index: usize,
    layer: Layer,
    class: Class,
}

impl Hit<'_> {
    fn statement(&self) -> StatementRef {
        StatementRef {
            layer: self.layer,
            policy: self.name.map(|name| (*name).into()),
            index: self.index,
            sid: self.statement.sid.clone(),
        }
    }

    fn evidence(&self) -> Evidence {
        Evidence::Statement(self.statement())
    }
}

impl<'a> Part<'a> {
    fn of(layer: Layer, policies: &'a [Attached<'a>], request: &Request<'_>) -> Self {
        let mut part = Self::default();
        for attached in policies {
            part.add(layer, attached.policy, Some(&attached.name), request);
        }
        part
    }

    fn add(
        &mut self,
        layer: Layer,
        policy: &'a Policy,
        name: Option<&'a Name<'a>>,
        request: &Request<'_>,
    ) {
        for (index, statement) in policy.statements().iter().enumerate() {
            // Any match denies; of those that allow, the strongest counts, and of its class the
            // first.
            let (found, enough) = match statement.effect {
                Effect::Allow => (&mut self.allowed, Class::Exact),
                Effect::Deny => (&mut self.denied, Class::Account),
            };
            if found.is_some_and(|hit| hit.class >= enough) {
                continue;
            }
            if let Some(class) = statement.applies(request, &mut Unrecorded)
                && found.is_none_or(|hit| hit.class < class)
            {
                *found = Some(Hit {
                    statement,
                    name,
                    index,
                    layer,
                    class,
                });
            }
        }
    }
}

impl<'a> Sides<'a> {
    fn ask(question: &'a Question<'a>, request: &Request<'_>) -> Self {
        let caller = question.caller;
        let policies = &question.policies;

        let mut missing_guardrail = None;
        let mut scp = Part::default();
        if is_limited_by_scps(caller) {
            for level in policies.scps {
                let part = Part::of(Layer::Scp, level, request);
                scp.denied = scp.denied.or(part.denied);
                if part.allowed.is_none() {
                    missing_guardrail = Some(Layer::Scp);
                }
            }
        }
        let mut rcp = Part::default();
        if is_limited_by_rcps(question) {
            rcp = Part::of(Layer::Rcp, policies.rcps, request);
        }
        let mut endpoint = Part::default();
        if let Some(attached) = &policies.endpoint {
            endpoint.add(
                Layer::Endpoint,
                attached.policy,
                Some(&attached.name),
                request,
            );
            if endpoint.allowed.is_none() {
                missing_guardrail = missing_guardrail.or(Some(Layer::Endpoint));
            }
        }
        let mut resource = Part::default();
        let mut grant: Option<(Class, &str)> = None;
        let guarded = match question.resource.guard {
            Guard::Identity => false,
            Guard::Either { policy } => {
                resource.add(Layer::Resource, policy, None, request);
                false
            }
            Guard::Policy { policy, grants } => {
                if let Some(policy) = policy {
                    resource.add(Layer::Resource, policy, None, request);
                }
                for matching in grants {
                    if grant.is_none_or(|(class, _)| class < matching.class) {
                        grant = Some((matching.class, matching.id));
                    }
                }
                true
            }
        };
        let mut boundary = Part::default();
        if let Some(attached) = &policies.boundary {
            boundary.add(
                Layer::Boundary,
                attached.policy,
                Some(&attached.name),
                request,
            );
        }
        let session = Part::of(Layer::Session, policies.session.unwrap_or(&[]), request);
        let session_allows = match policies.session {
            Some(_) => session.allowed.is_some(),
            // A federated user made without session policies has no permissions of its own.
            None => !matches!(caller.kind(), PrincipalKind::FederatedUser { .. }),
        };
        Self {
            scp,
            rcp,
            endpoint,
            resource,
            identity: Part::of(Layer::Identity, policies.identity, request),
            boundary_allows: policies.boundary.is_none() || boundary.allowed.is_some(),
            boundary,
            session,
            missing_guardrail,
            grant,
            guarded,
            session_allows,
            has_session_policies: policies.session.is_some(),
        }
    }

    /// As if boundary and session policies allowed everything. A federated user's session without
    /// session policies has no permissions of its own whatever they say.
    fn unblocked(mut self) -> Self {
        self.boundary_allows = true;
        self.session_allows |= self.has_session_policies;
        self
    }

    /// The statement that denies, in the order in which AWS's messages name the kinds.
    fn explicit(&self) -> Option<Hit<'a>> {
        let Self {
            scp,
            rcp,
            endpoint,
            resource,
            identity,
            boundary,
            session,
            ..
        } = self;
        [scp, rcp, endpoint, resource, identity, boundary, session]
            .into_iter()
            .find_map(|part| part.denied)
    }

    /// How strongly the resource's own side names the caller, and by what.
    fn key_side(&self) -> Option<(Class, KeySide<'a>)> {
        let policy = self
            .resource
            .allowed
            .map(|hit| (hit.class, KeySide::Policy(hit)));
        let grant = self.grant.map(|(class, id)| (class, KeySide::Grant(id)));
        match (policy, grant) {
            (Some(policy), Some(grant)) if grant.0 > policy.0 => Some(grant),
            (Some(policy), _) => Some(policy),
            (None, grant) => grant,
        }
    }

    /// The result of the allows, once nothing denies and every guardrail allows.
    fn combine(
        &self,
        caller: &Principal,
        key_side: Option<(Class, KeySide<'a>)>,
        side: Side,
    ) -> Result<Evidence, Layer> {
        let Some((class, by)) = key_side else {
            // A resource without a policy of its own is decided by its account.
            let own = !self.guarded && side == Side::Own;
            let missing = if own {
                Layer::Identity
            } else {
                Layer::Resource
            };
            return if own && !is_outsider(caller) {
                self.own_side(caller, Evidence::RootUser)
            } else {
                Err(missing)
            };
        };
        if is_outsider(caller) {
            return match class {
                Class::Exact => Ok(by.evidence()),
                Class::Base | Class::Account => Err(Layer::Resource),
            };
        }
        if side == Side::Foreign {
            // A grant to a principal of another account stands for both sides.
            return match self.grant {
                Some((Class::Exact | Class::Base, id)) => {
                    self.limited().map(|()| Evidence::Grant(id.into()))
                }
                Some((Class::Account, _)) | None => self.own_side(caller, by.evidence()),
            };
        }
        match class {
            Class::Exact => Ok(by.evidence()),
            Class::Base => self.limited().map(|()| by.evidence()),
            Class::Account => self.own_side(caller, by.evidence()),
        }
    }

    /// The caller's account's side. `implied`: what an allow is based on that needs no statement.
    fn own_side(&self, caller: &Principal, implied: Evidence) -> Result<Evidence, Layer> {
        if caller.is_root() {
            return Ok(implied);
        }
        let evidence = match (self.identity.allowed, caller.kind()) {
            (Some(hit), _) => hit.evidence(),
            // The root user may do everything, so its federated session may do what its session
            // policies allow.
            (None, PrincipalKind::FederatedUser { issuer: None, .. }) => implied,
            (None, _) => return Err(Layer::Identity),
        };
        self.limited().map(|()| evidence)
    }

    /// What boundary and session policies leave of it.
    fn limited(&self) -> Result<(), Layer> {
        if !self.boundary_allows {
            Err(Layer::Boundary)
        } else if !self.session_allows {
            Err(Layer::Session)
        } else {
            Ok(())
        }
    }
}

#[derive(Clone, Copy)]
enum KeySide<'a> {
    Policy(Hit<'a>),
    Grant(&'a str),
}

impl KeySide<'_> {
    fn evidence(&self) -> Evidence {
        match self {
            Self::Policy(hit) => hit.evidence(),
            Self::Grant(id) => Evidence::Grant((*id).into()),
        }
    }
}
