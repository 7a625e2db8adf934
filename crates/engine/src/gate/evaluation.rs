//! What a decision was about and what came of it, for its audit event.

use std::sync::Arc;

use keyward_policy::{
    decision::{Denial, Evidence, Layer, PolicyName, Reason, StatementRef},
    request::Resource,
};
use keyward_store::sealed::Generation;
use keyward_types::account::AccountId;
use keyward_wire::json::Writer;

use crate::{
    directory::units::organization::Membership,
    gate::{
        protected::{InEvents, Protected},
        supply::Supplied,
    },
};

/// One decision of a request, for its audit event.
#[derive(Debug)]
pub struct Evaluation {
    /// The action with its prefix.
    pub action: &'static str,
    /// What it was about.
    pub about: About,
    /// What came of it.
    pub outcome: Outcome,
    /// The condition values that the operation supplied.
    pub supplied: Supplied,
    /// The place of the resource's account in its organization, if resource control policies apply to the resource.
    pub limited_by: Option<Membership>,
}

impl Evaluation {
    /// Whether the policies allowed it.
    pub fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed(_))
    }
}

/// What a decision is about.
#[derive(Debug)]
pub enum About {
    /// What has its element of events ready.
    Known(Arc<dyn InEvents>),
    /// Something else.
    Other {
        /// The ARN, or `*`.
        arn: Box<str>,
        /// The account that owns it.
        account: AccountId,
        /// The generation of the record that its own policy is in.
        policy_generation: Option<Generation>,
    },
}

impl About {
    pub(super) fn of(resource: &Resource<'_>, on: &dyn Protected) -> Self {
        match on.in_events() {
            Some(known) => Self::Known(known),
            None => Self::Other {
                arn: resource.arn().into(),
                account: resource.account(),
                policy_generation: on.policy_generation(),
            },
        }
    }

    /// The ARN, or `*`.
    pub fn arn(&self) -> &str {
        match self {
            Self::Known(known) => known.arn(),
            Self::Other { arn, .. } => arn,
        }
    }

    /// The account that owns it.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Known(known) => known.account(),
            Self::Other { account, .. } => *account,
        }
    }

    /// The generation of the record that the resource's own policy is in.
    pub fn policy_generation(&self) -> Option<Generation> {
        match self {
            Self::Known(known) => Some(known.policy_generation()),
            Self::Other {
                policy_generation, ..
            } => *policy_generation,
        }
    }
}

/// What came of a decision.
#[derive(Debug)]
pub enum Outcome {
    /// Allowed.
    Allowed(By),
    /// Denied.
    Denied {
        /// By a statement that denies; otherwise because none allows.
        explicit: bool,
        /// In our words; the caller may have been told less.
        reason: String,
        /// The statement that denied.
        by: Option<By>,
    },
}

/// What decided.
#[derive(Debug)]
pub enum By {
    /// The root user of the account, where no resource policy takes part.
    RootUser,
    /// A grant.
    Grant(String),
    /// A statement.
    Statement(StatementRef),
}

impl By {
    pub(super) fn of(evidence: &Evidence) -> Self {
        match evidence {
            Evidence::Statement(statement) => Self::Statement(statement.clone()),
            Evidence::Grant(id) => Self::Grant(id.as_str().to_owned()),
            Evidence::RootUser => Self::RootUser,
        }
    }

    /// Whether it belongs to the resource and its account: a grant, or one of its policies.
    pub fn is_the_resources(&self) -> bool {
        match self {
            Self::RootUser => false,
            Self::Grant(_) => true,
            Self::Statement(statement) => match statement.layer {
                Layer::Resource | Layer::Rcp | Layer::Endpoint => true,
                Layer::Scp | Layer::Identity | Layer::Boundary | Layer::Session => false,
            },
        }
    }

    /// Writes it into an audit event.
    pub fn describe(&self, by: &mut Writer<'_>) {
        match self {
            Self::RootUser => by.string("rootUser", "no policy is needed"),
            Self::Grant(id) => by.string("grant", id),
            Self::Statement(statement) => {
                by.string("layer", statement.layer.as_str());
                match &statement.policy {
                    Some(PolicyName::Arn(name) | PolicyName::Inline(name)) => {
                        by.string("policy", name.as_str());
                    }
                    None => {}
                }
                by.integer(
                    "statement",
                    i64::try_from(statement.index).unwrap_or(i64::MAX),
                );
                if let Some(sid) = &statement.sid {
                    by.string("sid", sid.as_str());
                }
            }
        }
    }
}

impl Outcome {
    /// What a denial is on the trail.
    pub(super) fn denied(denial: &Denial) -> Self {
        match &denial.reason {
            Reason::Explicit(statement) => Outcome::Denied {
                explicit: true,
                reason: format!("a statement of the {} denies", statement.layer.as_str()),
                by: Some(By::Statement(StatementRef::clone(statement))),
            },
            Reason::Missing(layer) => Outcome::Denied {
                explicit: false,
                reason: format!("no {} allows", layer.as_str()),
                by: None,
            },
            Reason::OwnAccountOnly => Outcome::Denied {
                explicit: false,
                reason: "the action does not reach other accounts".to_owned(),
                by: None,
            },
            Reason::OverBudget => Outcome::Denied {
                explicit: false,
                reason: "evaluating the policies exceeds the limit".to_owned(),
                by: None,
            },
        }
    }
}
