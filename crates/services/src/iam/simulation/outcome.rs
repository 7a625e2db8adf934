//! One decision of a simulation, and how it is shown.

use keyward_policy::{
    decision::{Decision, Evidence, PolicyName, Reason, StatementRef},
    evaluate::evaluate,
    policy::Policy,
    position::{self, Position},
    request::{Attached, Attributes, Policies, Question, Resource},
};
use keyward_types::{account::AccountId, partition::Partition, principal::Principal};
use keyward_wire::xml;

use crate::{
    iam::{
        Iam,
        page::Page,
        simulation::source::{Source, Sources},
    },
    operation::Output,
};

/// One question of a simulation.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Who is said to call.
    pub caller: &'a Principal,
    /// The action.
    pub action: &'a str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// Who owns the resource.
    pub owner: (Partition, AccountId),
    /// The resource's own policy.
    pub resource_policy: Option<&'a Policy>,
    /// The condition keys.
    pub context: &'a dyn Attributes,
    /// Service control policies over the caller by level, if none were given with the request.
    pub organization: &'a [&'a [Attached<'a>]],
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    action: String,
    resource: String,
    decision: &'static str,
    matched: Vec<Matched>,
    missing: Vec<String>,
    by_boundary: Option<bool>,
    by_organization: Option<bool>,
    per_resource: bool,
}

/// A statement that decided.
#[derive(Debug)]
struct Matched {
    source: String,
    place: Option<(Position, Position)>,
}

impl Asked<'_> {
    /// What the policies say.
    pub fn outcome(&self, sources: &Sources, missing: &[String], per_resource: bool) -> Outcome {
        let identity: Vec<Attached<'_>> = sources.identity.iter().map(Source::attached).collect();
        let levels: Vec<Vec<Attached<'_>>> = sources
            .organization
            .iter()
            .map(|level| level.iter().map(Source::attached).collect())
            .collect();
        let given: Vec<&[Attached<'_>]> = levels.iter().map(Vec::as_slice).collect();
        let scps = if given.is_empty() {
            self.organization
        } else {
            &given
        };
        let boundary = sources.boundary.as_ref().map(Source::attached);
        let policies = Policies {
            identity: &identity,
            boundary,
            scps,
            ..Policies::default()
        };
        let decision = self.decide(policies);
        let allows = |policies: &[Attached<'_>]| {
            let only = Policies {
                identity: policies,
                ..Policies::default()
            };
            let (partition, account) = (self.caller.partition(), self.caller.account());
            let resource = Resource::identity_only(self.resource, partition, account);
            self.ask(resource, only).is_allow()
        };
        let (word, statement) = match &decision {
            Decision::Allow(Evidence::Statement(statement)) => ("allowed", Some(statement)),
            Decision::Allow(Evidence::Grant(_) | Evidence::RootUser) => ("allowed", None),
            Decision::Deny(denial) => match &denial.reason {
                Reason::Explicit(statement) => ("explicitDeny", Some(&**statement)),
                Reason::Missing(_) | Reason::OwnAccountOnly | Reason::OverBudget => {
                    ("implicitDeny", None)
                }
            },
        };
        Outcome {
            action: self.action.to_owned(),
            resource: self.resource.to_owned(),
            decision: word,
            matched: statement
                .map(|found| matched(sources, found))
                .into_iter()
                .collect(),
            missing: missing.to_vec(),
            by_boundary: boundary.map(|boundary| allows(&[boundary])),
            by_organization: (!scps.is_empty()).then(|| scps.iter().all(|level| allows(level))),
            per_resource,
        }
    }

    fn decide(&self, policies: Policies<'_>) -> Decision {
        let (partition, account) = self.owner;
        let alone = Resource::identity_only(self.resource, partition, account);
        let Some(policy) = self.resource_policy else {
            return self.ask(alone, policies);
        };
        let guarded = Resource::guarded(self.resource, partition, account, Some(policy));
        let decision = self.ask(guarded, policies);
        let own = self.caller.account() == account;
        let key = self
            .action
            .get(..4)
            .is_some_and(|s| s.eq_ignore_ascii_case("kms:"));
        match &decision {
            // But for keys, one side is enough in an account.
            Decision::Deny(denial)
                if own && !key && matches!(denial.reason, Reason::Missing(_)) =>
            {
                self.ask(alone, policies)
            }
            _ => decision,
        }
    }

    fn ask(&self, resource: Resource<'_>, policies: Policies<'_>) -> Decision {
        evaluate(&Question {
            caller: self.caller,
            action: self.action,
            resource,
            context: self.context,
            policies,
        })
    }
}

fn matched(sources: &Sources, statement: &StatementRef) -> Matched {
    let name = match &statement.policy {
        Some(PolicyName::Arn(name) | PolicyName::Inline(name)) => Some(name.as_str()),
        None => None,
    };
    let source = sources
        .all()
        .find(|source| Some(source.id.as_str()) == name);
    Matched {
        source: name.unwrap_or("ResourcePolicy").to_owned(),
        place: source.and_then(|s| position::of_statement(s.text(), statement.index)),
    }
}

/// A page of outcomes.
#[derive(Debug)]
pub struct Outcomes(Page<Outcome>);

impl Outcomes {
    /// A page of these.
    pub fn new(items: Vec<Outcome>, marker: Option<String>) -> Self {
        Self(Page { items, marker })
    }
}

impl Outcome {
    fn render_matched(&self, out: &mut xml::Writer<'_>) {
        out.list("MatchedStatements", &self.matched, |out, matched| {
            out.text("SourcePolicyId", &matched.source);
            // The model's words are others; real answers say this.
            out.text("SourcePolicyType", "IAM Policy");
            if let Some((start, end)) = matched.place {
                position(out, "StartPosition", start);
                position(out, "EndPosition", end);
            }
        });
        out.texts("MissingContextValues", &self.missing);
    }

    fn render_details(&self, out: &mut xml::Writer<'_>) {
        if let Some(allowed) = self.by_boundary {
            out.element("PermissionsBoundaryDecisionDetail", |out| {
                out.boolean("AllowedByPermissionsBoundary", allowed);
            });
        }
    }

    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("EvalActionName", &self.action);
        out.text("EvalResourceName", &self.resource);
        out.text("EvalDecision", self.decision);
        self.render_matched(out);
        if let Some(allowed) = self.by_organization {
            out.element("OrganizationsDecisionDetail", |out| {
                out.boolean("AllowedByOrganizations", allowed);
            });
        }
        self.render_details(out);
        if self.per_resource {
            out.list("ResourceSpecificResults", [self], |out, outcome| {
                out.text("EvalResourceName", &outcome.resource);
                out.text("EvalResourceDecision", outcome.decision);
                outcome.render_matched(out);
                outcome.render_details(out);
            });
        }
    }
}

fn position(out: &mut xml::Writer<'_>, name: &str, position: Position) {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    out.element(name, |out| {
        out.integer("Line", number(position.line));
        out.integer("Column", number(position.column));
    });
}

impl Output<Iam> for Outcomes {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0
            .render(out, "EvaluationResults", |out, outcome| outcome.render(out));
    }
}
