//! What the policies decide, why, and AWS's text for it.

use std::{fmt, sync::Arc};

/// The answer to a question. It proves nothing; a [`crate::permit::Permit`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, by this.
    Allow(Evidence),
    /// Denied, for this.
    Deny(Denial),
}

impl Decision {
    /// Whether the answer is an allow.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// The type of a decision, as cases and answers write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionType {
    /// Allowed.
    Allow,
    /// Denied, as nothing allows.
    ImplicitDeny,
    /// Denied by a statement.
    ExplicitDeny,
}

impl DecisionType {
    /// The word in cases and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::ImplicitDeny => "ImplicitDeny",
            Self::ExplicitDeny => "ExplicitDeny",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::ImplicitDeny, Self::ExplicitDeny]
            .into_iter()
            .find(|one| one.as_str() == text)
    }

    /// The type of a decision.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Allow(_) => Self::Allow,
            Decision::Deny(denial) => match denial.reason {
                Reason::Explicit(_) => Self::ExplicitDeny,
                Reason::Missing(_) | Reason::OwnAccountOnly | Reason::OverBudget => {
                    Self::ImplicitDeny
                }
            },
        }
    }
}

impl fmt::Display for DecisionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an allow is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A statement that allows. If a key policy delegates to the account, the identity policy's
    /// statement is named.
    Statement(StatementRef),
    /// A grant, by its id.
    Grant(Text),
    /// The caller is the root user of the account, which needs no statement where no key policy
    /// takes part.
    RootUser,
}

/// A statement of a policy that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRef {
    /// The part the policy plays.
    pub layer: Layer,
    /// What the policy is called; `None` for a resource's own.
    pub policy: Option<PolicyName>,
    /// The statement's place in the document, from 0.
    pub index: usize,
    /// Its Sid, if it has one.
    pub sid: Option<Text>,
}

/// A policy's name, kept with a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyName {
    /// The ARN of a managed policy.
    Arn(Text),
    /// The name of an inline policy.
    Inline(Text),
}

/// The part a policy plays in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Service control policies.
    Scp,
    /// Resource control policies.
    Rcp,
    /// The policy of a VPC endpoint.
    Endpoint,
    /// The resource's own policy: a key policy, a trust policy.
    Resource,
    /// Identity policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// Session policies.
    Session,
}

impl Layer {
    /// As AWS's denials call it, without article.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scp => "service control policy",
            Self::Rcp => "resource control policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::Resource => "resource-based policy",
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
        }
    }

    /// As cases and answers call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Endpoint => "endpointPolicy",
            Self::Resource => "keyPolicy",
            Self::Identity => "identityPolicy",
            Self::Boundary => "boundary",
            Self::Session => "sessionPolicy",
        }
    }

    fn article(self) -> &'static str {
        match self {
            Self::Identity => "an",
            Self::Scp
            | Self::Rcp
            | Self::Endpoint
            | Self::Resource
            | Self::Boundary
            | Self::Session => "a",
        }
    }
}

/// Why the policies deny. The true reason, for the record; [`Denial::message`] is what the caller
/// may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The true reason.
    pub reason: Reason,
    /// Whose the resource is.
    pub place: Whose,
}

/// Why the policies deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A matching statement denies.
    Explicit(Box<StatementRef>),
    /// No policy of this part allows.
    Missing(Layer),
    /// The action cannot reach resources of other accounts.
    OwnAccountOnly,
    /// The decision would take more work than one decision may take.
    OverBudget,
}

/// Whose the resource is, as far as the text of a denial depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's own account's.
    Own,
    /// Another account's, whose side lets the caller in.
    Other(Named),
    /// Another account's, whose side does not: the caller must not learn whether it exists.
    Hidden(Named),
}

/// How the caller named the resource; a denial to another account says no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By ARN, id or alias.
    Directly,
    /// Not at all: it was found in a ciphertext.
    ByCiphertext,
}

impl Denial {
    /// AWS's text, to the caller with that own ARN; `resource` is its ARN, or `*`.
    pub fn message(&self, caller: &str, action: &str, resource: &str) -> String {
        let on = match self.place {
            Whose::Own => format!("on resource: {resource}"),
            Whose::Other(named) | Whose::Hidden(named) => match named {
                Named::Directly => "on this resource".to_owned(),
                Named::ByCiphertext => "on the resource associated with this ciphertext".to_owned(),
            },
        };
        let why = match (&self.place, &self.reason) {
            (Whose::Hidden(_), _) | (_, Reason::OwnAccountOnly) => HIDDEN.to_owned(),
            (_, Reason::Missing(layer)) => {
                format!("because no {} allows the {action} action", layer.as_str())
            }
            (_, Reason::Explicit(statement)) => explicit(statement, self.place),
            (_, Reason::OverBudget) => OVER_BUDGET.to_owned(),
        };
        format!("User: {caller} is not authorized to perform: {action} {on} {why}")
    }
}

fn explicit(statement: &StatementRef, place: Whose) -> String {
    let layer = statement.layer;
    let text = format!(
        "with an explicit deny in {} {}",
        layer.article(),
        layer.as_str()
    );
    let own_side = match layer {
        // The resource's side is in the caller's organization at least if it is in the same
        // account.
        Layer::Rcp | Layer::Resource => place == Whose::Own,
        Layer::Scp | Layer::Endpoint | Layer::Identity | Layer::Boundary | Layer::Session => true,
    };
    match &statement.policy {
        Some(PolicyName::Arn(arn)) if own_side => format!("{text}: {arn}"),
        Some(PolicyName::Arn(_) | PolicyName::Inline(_)) | None => text,
    }
}

const HIDDEN: &str = "because the resource does not exist in this Region, no resource-based \
                      policies allow access, or a resource-based policy explicitly denies access";

// AWS has no such text: it never mentions a limit here.
const OVER_BUDGET: &str = "because evaluating the policies exceeds the limit";

/// A text that evidence shares with the compiled policy, so that a decision does not copy it.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
