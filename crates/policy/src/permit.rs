//! The one way from an allow to the proof of it that the key core demands.

use std::{fmt, marker::PhantomData};

use keyward_types::{account::AccountId, action::Action};

use crate::{
    decision::{Decision, Denial, Evidence},
    evaluate::evaluate,
    request::Question,
};

/// The one thing that turns an allow into a [`Permit`]. The pipeline has the only one.
#[derive(Debug)]
pub struct Authority(());

impl Authority {
    /// An authority can make permits from any policies, so only the pipeline may have one, which
    /// has the authenticated caller and the stored policies.
    pub fn dangerous_new() -> Self {
        Self(())
    }

    /// Asks the question for the action `A`, whatever action it names, and turns an allow into a
    /// permit for that action on the question's resource.
    pub fn permit<A: Action>(&self, question: &Question<'_>) -> Result<Permit<A>, Denied> {
        let question = Question {
            action: A::NAME,
            ..*question
        };
        match evaluate(&question) {
            Decision::Allow(evidence) => Ok(Permit {
                caller: question.caller.arn().into(),
                account: question.caller.account(),
                resource: question.resource.arn.into(),
                evidence,
                action: PhantomData,
            }),
            Decision::Deny(denial) => Err(Denied::new(&question, denial)),
        }
    }
}

/// Proof that the policies let a caller do the action `A` on a resource. Only an [`Authority`]
/// makes one.
pub struct Permit<A> {
    caller: Box<str>,
    account: Option<AccountId>,
    resource: Box<str>,
    evidence: Evidence,
    action: PhantomData<fn() -> A>,
}

impl<A: Action> Permit<A> {
    /// The caller's own ARN.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// The caller's account; a service has none.
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// The ARN of the resource; for actions on an account as a whole it ends in `:*`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What the permission is based on.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// A permit that no policy allowed, for tests of code that needs one.
///
/// Not a method: the compiler would suggest it to whoever tries to forge a permit, and the tests of what must not
/// compile would depend on the features of the build.
#[cfg(feature = "assertion")]
pub fn assertion_for_tests<A: Action>(
    caller: &str,
    account: AccountId,
    resource: &str,
) -> Permit<A> {
    Permit {
        caller: caller.into(),
        account: Some(account),
        resource: resource.into(),
        evidence: Evidence::RootUser,
        action: PhantomData,
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("caller", &self.caller)
            .field("action", &A::NAME)
            .field("resource", &self.resource)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}

/// The policies deny. Displays as AWS's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The caller's own ARN.
    pub caller: String,
    /// The action with its prefix.
    pub action: String,
    /// The resource as denials show it: its ARN or `*`.
    pub resource: String,
    /// Why.
    pub denial: Denial,
}

impl Denied {
    /// The denial of that question.
    pub fn new(question: &Question<'_>, denial: Denial) -> Self {
        Self {
            caller: question.caller.arn().to_owned(),
            action: question.action.to_owned(),
            resource: question.resource.shown.to_owned(),
            denial,
        }
    }

    /// The text of AWS's AccessDenied answer.
    pub fn message(&self) -> String {
        self.denial
            .message(&self.caller, &self.action, &self.resource)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Denied {}
