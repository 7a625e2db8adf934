//! The gate: where an operation asks for permits, and the only place that asks the authority.

pub mod attributes;
pub mod declared;
pub mod evaluation;
pub mod supply;

use std::{cell::RefCell, sync::Arc};

use keyward_policy::{
    decision::Named,
    decision::{Denial, Layer, Place, Reason},
    evaluate::evaluate,
    permit::{Authority, Permit},
    policy::Policy,
    request::{Attached, GrantMatch, Question, Resource},
};
use keyward_types::{account::AccountId, action::Action, partition::Partition};
use smallvec::SmallVec;

use crate::{
    caller::control,
    context::Context,
    directory::units::organization::ControlPolicy,
    fault::Fault,
    gate::{
        attributes::{RequestAttributes, ResourceAttributes},
        evaluation::{About, By, Evaluation, Outcome},
        supply::{Supplied, Supply},
    },
    grants::lookup::FoundGrant,
    kms::resolved::ResolvedKey,
    sts::role::ResolvedRole,
    via_service::FORWARDABLE,
};

/// The policies denied the request.
#[derive(Debug)]
pub struct Denied {
    message: String,
}

impl Denied {
    /// The fault, under the service's own code and status. The audit trail always says
    /// `AccessDenied`.
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

    /// A permit on a KMS key.
    ///
    /// # Errors
    /// When the policies deny; a key of another account that is absent denies the same way.
    pub fn key<A: Action>(
        &self,
        key: &ResolvedKey,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let mut resource = match key.found_unit() {
            Some(unit) => Resource::key(key.arn(), unit.policy()),
            None => {
                let arn = key.arn();
                Resource::absent_key(arn.as_str(), arn.partition(), arn.account())
            }
        };
        if key.is_found_in_ciphertext() {
            resource = resource.found_in_ciphertext();
        }
        let grant = key.grant().map(matching);
        resource = resource.with_grants(grant.as_slice());
        self.ask(resource, ResourceAttributes::Key(key), supply)
    }

    /// A permit on a KMS key that the request itself makes, with the policy it is going to have.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn key_to_make<A: Action>(
        &self,
        key: &ResolvedKey,
        policy: &Policy,
    ) -> Result<Permit<A>, Denied> {
        let resource = Resource::key(key.arn(), policy);
        self.ask(resource, ResourceAttributes::Key(key), |_| ())
    }

    /// A permit on a KMS key that its key policy has no say in: a grant alone lets the caller in.
    ///
    /// # Errors
    /// When the policies deny, or nothing lets the caller in.
    pub fn key_by_grant<A: Action>(
        &self,
        key: &ResolvedKey,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let arn = key.arn();
        let grant = key.grant().map(matching);
        let resource = Resource::guarded(arn.as_str(), arn.partition(), arn.account(), None)
            .with_grants(grant.as_slice());
        self.ask(resource, ResourceAttributes::Key(key), supply)
    }

    /// A permit on an alias; identity policies decide alone.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn alias<A: Action>(&self, arn: &str) -> Result<Permit<A>, Denied> {
        let (partition, account) = self.own::<A>(arn)?;
        let resource = Resource::identity_only(arn, partition, account);
        self.ask(resource, ResourceAttributes::None, |_| ())
    }

    /// A permit for what is done in the caller's account and Region at large (`*`).
    ///
    /// # Errors
    /// When the policies deny.
    pub fn account<A: Action>(
        &self,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let (partition, account) = self.own::<A>("*")?;
        let arn = format!(
            "arn:{partition}:{}:{}:{account}:*",
            A::SERVICE,
            self.cx.region
        );
        self.ask(
            Resource::account_wide(&arn, partition, account),
            ResourceAttributes::None,
            supply,
        )
    }

    /// A permit on a resource of IAM; identity policies decide alone.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn iam<A: Action>(
        &self,
        arn: &str,
        tags: &[keyward_types::tag::Tag],
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        self.iam_shown(arn, arn, tags, supply)
    }

    /// As [`iam`](Self::iam), the resource shown in denials as AWS does where it has no ARN yet.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn iam_shown<A: Action>(
        &self,
        arn: &str,
        shown: &str,
        tags: &[keyward_types::tag::Tag],
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let (partition, account) = self.own::<A>(shown)?;
        let resource = Resource::identity_only(arn, partition, account);
        let about = ResourceAttributes::Tagged(tags);
        self.ask(resource.shown_as(shown), about, supply)
    }

    /// A permit for what IAM does in the account at large (`*`), which has no Region.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn iam_account<A: Action>(
        &self,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let (partition, account) = self.own::<A>("*")?;
        let arn = format!("arn:{partition}:iam::{account}:*");
        let resource = Resource::account_wide(&arn, partition, account);
        self.ask(resource, ResourceAttributes::None, supply)
    }

    /// Where the caller lives. Who belongs to no account has nothing of its own to act on.
    fn own<A: Action>(&self, shown: &str) -> Result<(Partition, AccountId), Denied> {
        let caller = self.cx.caller.principal();
        let home = caller.account().map(|own| (caller.partition(), own));
        home.ok_or_else(|| {
            let denial = Denial {
                reason: Reason::Missing(Layer::Identity),
                place: Place::Own,
            };
            let message = denial.message(caller.arn(), A::NAME, shown);
            Denied { message }
        })
    }

    /// A permit on a role, whose trust policy must let the caller in. A role that is absent denies
    /// the same way.
    ///
    /// # Errors
    /// When the policies deny; AWS gives no reason here.
    pub fn role<A: Action>(
        &self,
        role: &ResolvedRole,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let (arn, (partition, account)) = (role.arn().as_str(), role.arn().home());
        let trust = role.unit().map(|unit| unit.trust());
        let about = ResourceAttributes::Role(role);
        let resource = Resource::guarded(arn, partition, account, trust);
        self.ask(resource, about, supply).map_err(|_| {
            let caller = self.cx.caller;
            let message = match caller.web_identity() {
                Some(_) => format!("Not authorized to perform {}", A::NAME),
                None => format!(
                    "User: {} is not authorized to perform: {} on resource: {arn}",
                    caller.principal().arn(),
                    A::NAME
                ),
            };
            Denied { message }
        })
    }

    fn ask<A: Action>(
        &self,
        resource: Resource<'_>,
        about: ResourceAttributes<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let mut supplied = Supply::default();
        supply(&mut supplied);
        let supplied = supplied.into_supplied();
        let caller = self.cx.caller;
        let in_play = caller.in_play();
        let attributes = RequestAttributes::new(self.cx, about, &resource, &supplied);
        let owner = about.owner(self.cx, resource.account());
        let scps = in_play.levels();
        let rcps = controls(about.rcps(owner, A::SERVICE));
        let question = Question {
            caller: caller.principal(),
            action: A::NAME,
            resource,
            context: &attributes,
            policies: in_play.policies(&scps, &rcps),
        };
        if let Some(denied) = self.beyond_session::<A>(&resource, about) {
            return Err(denied);
        }
        let answer = self.authority.permit::<A>(&question);
        let outcome = match &answer {
            Ok(permit) => Outcome::Allowed(By::of(permit.evidence())),
            Err(denied) => Outcome::denied(&denied.denial),
        };
        self.evaluations.borrow_mut().push(Evaluation {
            action: A::NAME,
            about: About::of(&resource, about),
            outcome,
            supplied,
            limited_by: owner.filter(|_| !rcps.is_empty()).cloned(),
        });
        answer.map_err(|mut denied| {
            if let ResourceAttributes::Key(key) = about
                && key.found_unit().is_none()
                && (key.is_found_in_ciphertext()
                    || caller.principal().account() != Some(key.arn().account()))
            {
                // A stand-in answers as a key of others does: it may or may not be there. One of the
                // caller's own that no ciphertext names is a key that is about to be made.
                denied.denial.place = Place::Hidden(if key.is_found_in_ciphertext() {
                    Named::ByCiphertext
                } else {
                    Named::Directly
                });
            }
            Denied {
                message: denied.message(),
            }
        })
    }
}

impl Gate<'_> {
    /// A forward access session is good for its one key, and for what does not govern it.
    fn beyond_session<A: Action>(
        &self,
        resource: &Resource<'_>,
        about: ResourceAttributes<'_>,
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
                Place::Own
            } else {
                Place::Hidden(Named::Directly)
            },
        };
        let shown = match about {
            ResourceAttributes::Key(_)
            | ResourceAttributes::Role(_)
            | ResourceAttributes::Tagged(_) => resource.arn(),
            ResourceAttributes::None => "*",
        };
        self.evaluations.borrow_mut().push(Evaluation {
            action: A::NAME,
            about: About::of(resource, about),
            outcome: Outcome::denied(&denial),
            supplied: Supplied::default(),
            limited_by: None,
        });
        Some(Denied {
            message: denial.message(caller.principal().arn(), A::NAME, shown),
        })
    }

    /// Whether a service makes the call for the caller: `kms:GrantIsForAWSResource`.
    pub fn is_forwarded(&self) -> bool {
        self.cx.caller.forwarded().is_some()
    }
}

impl Context<'_> {
    /// What the policies would say if the key had another policy: the lockout check. It proves
    /// nothing and is not recorded as a decision.
    pub fn would_allow<A: Action>(
        &self,
        key: &ResolvedKey,
        policy: &Policy,
        supply: impl FnOnce(&mut Supply),
    ) -> bool {
        let mut supplied = Supply::default();
        supply(&mut supplied);
        let supplied = supplied.into_supplied();
        let resource = Resource::key(key.arn(), policy);
        let about = ResourceAttributes::Key(key);
        let attributes = RequestAttributes::new(self, about, &resource, &supplied);
        let owner = about.owner(self, resource.account());
        let rcps = controls(about.rcps(owner, A::SERVICE));
        let in_play = self.caller.in_play();
        evaluate(&Question {
            caller: self.caller.principal(),
            action: A::NAME,
            resource,
            context: &attributes,
            policies: in_play.policies(&in_play.levels(), &rcps),
        })
        .is_allow()
    }
}

fn matching(grant: &FoundGrant) -> GrantMatch<'_> {
    GrantMatch {
        id: grant.id.as_str(),
        class: grant.class,
    }
}

fn controls(policies: &[Arc<ControlPolicy>]) -> SmallVec<[Attached<'_>; 4]> {
    policies.iter().map(|policy| control(policy)).collect()
}
