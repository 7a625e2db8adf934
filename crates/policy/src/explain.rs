//! How a decision is reached, and what would change a denial.
//!
//! [`explain`] answers the same question as [`crate::evaluate::evaluate`], by the same code: every
//! statement is compared with the request by the one matcher, which here reports what failed
//! instead of stopping at the first failure. Nothing is decided twice.
//!
//! Whoever explains gives an [`Inquiry`]: the question, with policies compiled by
//! [`crate::policy::Policy::compile_with_source`] so that values and lines can be shown, and the
//! key's grants, also those that do not match. The [`Explanation`] is data; [`text`] makes it a
//! text to read and [`json`] an object for programs. Its [`Suggestion`]s are lists of
//! [`ProposedChange`]s, each list tried out by the evaluator before it is given: applied in their order
//! they make the denial an allow.

pub mod change;
pub mod json;
mod note;
mod phrase;
mod possible;
mod suggest;
pub mod text;
mod trace;
mod world;

pub use change::{At, NewPrincipal, NewStatement, ProposedChange, StatementTarget, Suggestion};
pub use phrase::condition;
pub use possible::{Way, exceptions, ways};
use world::World;

use crate::{
    decision::{Decision, Layer},
    grant::{Grant, GrantUse, Unmet},
    principal::Class,
    request::Question,
};

/// What an explanation is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The question. Grants on its resource do not count; `grants` do.
    pub question: &'a Question<'a>,
    /// The grants on the key that may matter for the question, matching or not.
    pub grants: &'a [Grant],
    /// The part of the request that matters for grants.
    pub usage: GrantUse<'a>,
}

/// How a decision came about.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The kind of policy that turned an allow into a denial
    /// ([`crate::evaluate::evaluate_blocked`]).
    pub blocked_by: Option<Layer>,
    /// The caller's own ARN, or the service's name.
    pub caller: String,
    /// The action with its prefix.
    pub action: String,
    /// The resource as denials show it.
    pub resource: String,
    /// What kind of thing the resource is, as far as the reasons depend on it.
    pub setting: Setting,
    /// Every policy, in the order in which denials name their kinds; each level of service control
    /// policies is one entry.
    pub layers: Vec<LayerReport>,
    /// Every grant.
    pub grants: Vec<GrantReport>,
    /// What would allow the call, the least first. Empty for an allow, and for a denial that no
    /// policy can change.
    pub suggestions: Vec<Suggestion>,
    /// What is valid in the policies, but probably not what their author meant, if that is known.
    pub warnings: Vec<String>,
}

/// What the reasons of a denial depend on besides policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether the resource belongs to another account than the caller.
    pub foreign: bool,
    /// Whether it is in another partition.
    pub other_partition: bool,
    /// Whether the resource has a policy of its own, which must allow the caller.
    pub guarded: bool,
    /// Whether it has a policy of its own, which can allow callers whom identity policies do not
    /// allow.
    pub shared: bool,
    /// Whether the call is RetireGrant, which only grants decide.
    pub retires: bool,
    /// Whether the caller is an AWS service.
    pub service: bool,
}

/// What the policies of one kind said.
#[derive(Clone, Debug)]
pub struct LayerReport {
    /// The part the policies play.
    pub layer: Layer,
    /// The level of service control policies, from the root at 0.
    pub level: Option<usize>,
    /// What they came to.
    pub verdict: LayerVerdict,
    /// The policies in their order.
    pub policies: Vec<PolicyReport>,
}

/// What the policies of one kind came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerVerdict {
    /// There are none, so they do not limit (nor, where something must allow, allow).
    Absent,
    /// They do not count for this call.
    NotInPlay,
    /// A statement denies.
    Denies,
    /// A statement allows, so strongly.
    Allows(Class),
    /// Nothing applies.
    Silent,
}

/// One policy.
#[derive(Clone, Debug)]
pub struct PolicyReport {
    /// What it is called; `None` for a resource's own.
    pub name: Option<String>,
    /// Its statements in their order.
    pub statements: Vec<StatementReport>,
}

/// One statement compared with the request.
#[derive(Clone, Debug)]
pub struct StatementReport {
    /// Its place, from 0.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
    /// The line of the document on which it begins, from 1; `None` if the document is not at hand
    /// or has only one line.
    pub line: Option<u32>,
    /// Whether it denies.
    pub denies: bool,
    /// How it names the caller, if it applies.
    pub applies: Option<Class>,
    /// The elements that the request does not meet.
    pub failed: Vec<Finding>,
    /// Of a statement that applies: the conditions, which the request meets, and NotPrincipal.
    pub met: Vec<Finding>,
}

/// An element of a statement with the value that it was compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// `Action` or `NotAction`.
    Action(Mismatch),
    /// `Principal` or `NotPrincipal`.
    Principal(Mismatch),
    /// `Resource` or `NotResource`.
    Resource(Mismatch),
    /// A key under an operator.
    Condition {
        /// The operator as written.
        operator: String,
        /// The key as written.
        key: String,
        /// The values listed.
        listed: Vec<String>,
        /// What the request has.
        found: RequestValue,
        /// What to know about it.
        note: Option<&'static str>,
    },
}

/// What an element lists, and the value that it was compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Whether it is the element's `Not…` form.
    pub negated: bool,
    /// What it lists; empty if the document is not at hand.
    pub listed: Vec<String>,
    /// What the request has.
    pub met: String,
    /// What to know about it.
    pub note: Option<&'static str>,
}

/// What a request has under a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestValue {
    /// Nothing.
    Absent,
    /// One value.
    One(String),
    /// A list: a multivalued key.
    Many(Vec<String>),
    /// Several values under names that differ only in case.
    Clash(Vec<String>),
}

/// One grant compared with the request.
#[derive(Clone, Debug)]
pub struct GrantReport {
    /// The grant's id.
    pub id: String,
    /// Its grantee as written.
    pub grantee: String,
    /// How it reaches the caller, or why it does not.
    pub outcome: Result<Class, Vec<Unmet>>,
}

/// Explains a decision. This costs many times as much as a decision: it is for people, not for
/// requests.
pub fn explain(inquiry: &Inquiry<'_>) -> Explanation {
    let world = World::of(inquiry);
    let mut explanation = world.look();
    if !explanation.decision.is_allow() {
        explanation.suggestions = suggest::suggest(&world);
    }
    explanation
}
