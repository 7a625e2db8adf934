//! The gate: where an operation asks for permits, and the only place that asks the authority.

pub mod attributes;
pub mod declared;
pub mod evaluation;
pub mod protected;
pub mod supply;

use std::{cell::RefCell, sync::Arc};

use keyward_policy::{
    decision::{Denial, Layer, Named, Reason, Whose},
    evaluate::evaluate,
    permit::{Authority, Permit},
    request::{Attached, Question, Resource, has_rcps},
};
use keyward_types::{action::Action, tag::Tag};
use smallvec::SmallVec;

use crate::{
    caller::control,
    context::Context,
    directory::units::organization::{ControlPolicy, Membership},
    fault::Fault,
    gate::{
        attributes::RequestAttributes,
        evaluation::{About, By, Evaluation, Outcome},
        protected::{AccountWide, Protected},
        supply::{Supplied, Supply},
    },
};

/// What a forward access session may do with its key: nothing that governs it.
const FORWARDABLE: &[&str] = &[
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ListGrants",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RevokeGrant",
];

/// The policies denied the request.
#[derive(Debug)]
pub struct Denied {
    message: String,
}

impl Denied {
    /// The fault, under the service's own code and status. The audit trail always says `AccessDenied`.
    pub fn into_fault(self, code: &'static str, status: u16) -> Fault {
        Fault::new(code, Some(self.message))
            .status(status)
            .audited_as("AccessDenied")
    }

    /// AWS's sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Where an operation asks; it exists only while `authorize` runs.
#[derive(Debug)]
pub struct Gate<'a> {
    authority: &'a Authority,
    cx: &'a Context<'a>,
    evaluations: RefCell<Vec<Evaluation>>,
}

impl<'a> Gate<'a> {
    /// Only the pipeline has an authority to make a gate with.
    pub(crate) fn new(authority: &'a Authority, cx: &'a Context<'a>) -> Self {
        Self {
            authority,
            cx,
            // Nearly every request asks once.
            evaluations: RefCell::new(Vec::with_capacity(1)),
        }
    }

    /// Every decision that was made, in order.
    pub(crate) fn into_evaluations(self) -> Vec<Evaluation> {
        self.evaluations.into_inner()
    }

    /// The caller's account; nothing for a service.
    pub fn caller_account(&self) -> &'a str {
        self.cx.caller.principal().account_text()
    }

    /// A permit on a resource.
    ///
    /// # Errors
    /// When the policies deny. One of another account that is absent denies the same way.
    pub fn permit<A: Action>(
        &self,
        on: &dyn Protected,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        self.ask(on, supplied(supply))
    }

    /// A permit for what is done in the caller's account and Region as a whole (`*`).
    ///
    /// # Errors
    /// When the policies deny.
    pub fn account<A: Action>(
        &self,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        self.account_in::<A>(self.cx.region.as_str(), supply)
    }

    /// As [`account`](Self::account), for a service that has no Regions.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn global_account<A: Action>(
        &self,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        self.account_in::<A>("", supply)
    }

    /// A permit to tag what is created on a resource, if it is created with tags.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn tagging<A: Action>(
        &self,
        on: &dyn Protected,
        tags: &[Tag],
    ) -> Result<Option<Permit<A>>, Denied> {
        if tags.is_empty() {
            return Ok(None);
        }
        self.permit(on, |supply| supply.request_tags(tags))
            .map(Some)
    }

    fn account_in<A: Action>(
        &self,
        region: &str,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let caller = self.cx.caller.principal();
        let (partition, account) = (caller.partition(), caller.account_text());
        let arn = format!("arn:{partition}:{}:{region}:{account}:*", A::SERVICE);
        self.ask(&AccountWide { arn }, supplied(supply))
    }

    fn ask<A: Action>(&self, on: &dyn Protected, supplied: Supplied) -> Result<Permit<A>, Denied> {
        let caller = self.cx.caller;
        let grant = on.grant();
        let Some(resource) = on.resource(caller) else {
            return Err(self.nothing_of_its_own::<A>(on));
        };
        let resource = resource.with_grants(grant.as_slice());
        if let Some(denied) = self.beyond_session::<A>(&resource, on) {
            return Err(denied);
        }
        let question = PreparedQuestion::new(self.cx, on, resource, A::SERVICE);
        let answer = question.decide(&supplied, A::NAME, |question| {
            self.authority.permit::<A>(question)
        });
        let outcome = match &answer {
            Ok(permit) => Outcome::Allowed(By::of(permit.evidence())),
            Err(denied) => Outcome::denied(&denied.denial),
        };
        self.evaluations.borrow_mut().push(Evaluation {
            action: A::NAME,
            about: About::of(&resource, on),
            outcome,
            supplied,
            limited_by: question.limited_by(),
        });
        answer.map_err(|mut denied| {
            if let Some(named) = on.hidden_from(caller) {
                denied.denial.place = Whose::Hidden(named);
            }
            let message = on.denial(caller, A::NAME);
            let message = message.unwrap_or_else(|| denied.message());
            Denied { message }
        })
    }

    fn nothing_of_its_own<A: Action>(&self, on: &dyn Protected) -> Denied {
        let denial = Denial {
            reason: Reason::Missing(Layer::Identity),
            place: Whose::Own,
        };
        let message = denial.message(self.cx.caller.principal().arn(), A::NAME, on.shown());
        Denied { message }
    }
}

impl Gate<'_> {
    /// A forward access session is valid for its one key, and not for operations that manage keys.
    fn beyond_session<A: Action>(
        &self,
        resource: &Resource<'_>,
        on: &dyn Protected,
    ) -> Option<Denied> {
        let caller = self.cx.caller;
        let forwarded = caller.forwarded()?;
        if resource.arn() == forwarded.key && FORWARDABLE.contains(&A::NAME) {
            return None;
        }
        let own = caller.principal().account() == Some(resource.account());
        let denial = Denial {
            reason: Reason::Missing(Layer::Session),
            place: if own {
                Whose::Own
            } else {
                Whose::Hidden(Named::Directly)
            },
        };
        self.evaluations.borrow_mut().push(Evaluation {
            action: A::NAME,
            about: About::of(resource, on),
            outcome: Outcome::denied(&denial),
            supplied: Supplied::default(),
            limited_by: None,
        });
        Some(Denied {
            message: denial.message(caller.principal().arn(), A::NAME, on.shown()),
        })
    }

    /// Whether a service calls on behalf of the caller: `kms:GrantIsForAWSResource`.
    pub fn is_forwarded(&self) -> bool {
        self.cx.caller.is_acted_for()
    }
}

impl Context<'_> {
    /// What the policies would decide about a resource as it would be: the lockout check. It proves
    /// nothing and is not recorded as a decision.
    pub fn would_allow<A: Action>(
        &self,
        on: &dyn Protected,
        supply: impl FnOnce(&mut Supply),
    ) -> bool {
        let Some(resource) = on.resource(self.caller) else {
            return false;
        };
        let question = PreparedQuestion::new(self, on, resource, A::SERVICE);
        question
            .decide(&supplied(supply), A::NAME, evaluate)
            .is_allow()
    }
}

fn supplied(supply: impl FnOnce(&mut Supply)) -> Supplied {
    let mut supplied = Supply::default();
    supply(&mut supplied);
    supplied.into_supplied()
}

/// A question before it is put.
struct PreparedQuestion<'a> {
    cx: &'a Context<'a>,
    on: &'a dyn Protected,
    resource: Resource<'a>,
    /// The place of the resource's account in an organization.
    owner: Option<&'a Membership>,
    rcps: &'a [Arc<ControlPolicy>],
}

impl<'a> PreparedQuestion<'a> {
    fn new(
        cx: &'a Context<'a>,
        on: &'a dyn Protected,
        resource: Resource<'a>,
        service: &str,
    ) -> Self {
        let own = cx.caller.principal().account() == Some(resource.account());
        let owner = if own {
            cx.caller.membership()
        } else {
            on.owner()
        };
        let limited = owner.filter(|_| has_rcps(service) && on.takes_rcps());
        Self {
            cx,
            on,
            resource,
            owner,
            rcps: limited.map(Membership::rcps).unwrap_or_default(),
        }
    }

    /// The place of the resource's account in its organization, if resource control policies apply to the resource.
    fn limited_by(&self) -> Option<Membership> {
        self.owner.filter(|_| !self.rcps.is_empty()).cloned()
    }

    fn decide<T>(
        &self,
        supplied: &Supplied,
        action: &'static str,
        decide: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let caller = self.cx.caller;
        let in_play = caller.in_play();
        let attributes = RequestAttributes::new(
            self.cx,
            self.on,
            (self.resource.account(), self.owner),
            supplied,
        );
        let (scps, rcps) = (in_play.levels(), controls(self.rcps));
        decide(&Question {
            caller: caller.principal(),
            action,
            resource: self.resource,
            context: &attributes,
            policies: in_play.policies(&scps, &rcps),
        })
    }
}

fn controls(policies: &[Arc<ControlPolicy>]) -> SmallVec<[Attached<'_>; 4]> {
    policies.iter().map(|policy| control(policy)).collect()
}
