//! The decisions of a simulation, and how they are shown: one result for each action, with the
//! decision on each resource.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html>

use std::collections::HashSet;

use keyward_engine::{
    operation::Output,
    policy::{
        applying::applying,
        attributes::Attributes,
        decision::{Decision, PolicyName, Reason, StatementRef},
        evaluate::evaluate,
        position::Position,
        request::{Attached, Policies, Question, Resource},
    },
};
use keyward_types::{account::AccountId, partition::Partition, principal::Principal};
use keyward_wire::xml;

use crate::{
    Iam,
    page::Page,
    simulation::source::{Source, Sources},
};

/// One question of a simulation.
#[derive(Debug)]
pub struct SimulatedQuestion<'a> {
    /// The simulated caller.
    pub caller: &'a Principal,
    /// The action.
    pub action: &'a str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// Who owns the resource.
    pub owner: (Partition, AccountId),
    /// The resource's own policy.
    pub resource_policy: Option<&'a Source>,
    /// The condition keys.
    pub context: &'a dyn Attributes,
    /// Service control policies over the caller by level, if none were given with the request.
    pub organization: &'a [&'a [Attached<'a>]],
}

/// The results of a simulation, the least restrictive first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Allowed,
    Implicit,
    Explicit,
}

impl Verdict {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Allow(_) => Self::Allowed,
            Decision::Deny(denial) => match denial.reason {
                Reason::Explicit(_) => Self::Explicit,
                Reason::Missing(_) | Reason::OwnAccountOnly | Reason::OverBudget => Self::Implicit,
            },
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Implicit => "implicitDeny",
            Self::Explicit => "explicitDeny",
        }
    }
}

/// What came of an action on one resource.
#[derive(Debug)]
pub struct OnResource {
    resource: String,
    verdict: Verdict,
    matched: Vec<Matched>,
    by_boundary: Option<bool>,
    by_organization: Option<bool>,
}

/// A statement that determines a result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Matched {
    source: String,
    place: Option<(Position, Position)>,
}

impl SimulatedQuestion<'_> {
    /// What the policies decide.
    pub fn outcome(&self, sources: &Sources) -> OnResource {
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
        let allows = |policies: &[Attached<'_>]| {
            let only = Policies {
                identity: policies,
                ..Policies::default()
            };
            let partition = self.caller.partition();
            let account = self.caller.account().unwrap_or(self.owner.1);
            let resource = Resource::identity_only(self.resource, partition, account);
            evaluate(&self.question(resource, only)).is_allow()
        };
        let verdict = Verdict::of(&self.decide(policies));
        OnResource {
            resource: self.resource.to_owned(),
            verdict,
            matched: self.matched(sources, policies, verdict),
            by_boundary: boundary.map(|boundary| allows(&[boundary])),
            by_organization: (!scps.is_empty()).then(|| scps.iter().all(|level| allows(level))),
        }
    }

    /// The resource with its own policy, if one was given.
    fn guarded(&self) -> Resource<'_> {
        let (partition, account) = self.owner;
        match self.resource_policy {
            Some(policy) => {
                Resource::guarded(self.resource, partition, account, Some(policy.policy()))
            }
            None => Resource::identity_only(self.resource, partition, account),
        }
    }

    fn decide(&self, policies: Policies<'_>) -> Decision {
        let decision = evaluate(&self.question(self.guarded(), policies));
        let (partition, account) = self.owner;
        let own = self.caller.partition() == partition && self.caller.account() == Some(account);
        match &decision {
            // Keys and roles have the last word. With other resources one side is enough in an
            // account.
            Decision::Deny(denial)
                if self.resource_policy.is_some()
                    && own
                    && !must_let_in(self.action)
                    && matches!(denial.reason, Reason::Missing(_)) =>
            {
                let alone = Resource::identity_only(self.resource, partition, account);
                evaluate(&self.question(alone, policies))
            }
            Decision::Deny(_) | Decision::Allow(_) => decision,
        }
    }

    /// The statements of identity policies and of the resource's own that determine the result: all
    /// that deny, or all that allow. If nothing allows, no statement is responsible.
    fn matched(&self, sources: &Sources, policies: Policies<'_>, verdict: Verdict) -> Vec<Matched> {
        let denies = match verdict {
            Verdict::Allowed => false,
            Verdict::Explicit => true,
            Verdict::Implicit => return Vec::new(),
        };
        applying(&self.question(self.guarded(), policies))
            .into_iter()
            .filter(|applying| applying.denies == denies)
            .map(|applying| self.shown(sources, &applying.statement))
            .collect()
    }

    fn shown(&self, sources: &Sources, statement: &StatementRef) -> Matched {
        let source = match &statement.policy {
            Some(PolicyName::Arn(name) | PolicyName::Inline(name)) => {
                let mut identity = sources.identity.iter();
                identity.find(|source| source.id == name.as_str())
            }
            None => self.resource_policy,
        };
        Matched {
            source: source.map(|source| source.id.clone()).unwrap_or_default(),
            place: source.and_then(|source| source.positions.get(statement.index).copied()),
        }
    }

    fn question<'q>(&'q self, resource: Resource<'q>, policies: Policies<'q>) -> Question<'q> {
        Question {
            caller: self.caller,
            action: self.action,
            resource,
            context: self.context,
            policies,
        }
    }
}

/// Whether the resource of an action must allow the caller by a policy of its own: KMS keys, and
/// roles that are assumed.
fn must_let_in(action: &str) -> bool {
    let service = action.split(':').next().unwrap_or_default();
    service.eq_ignore_ascii_case("kms") || service.eq_ignore_ascii_case("sts")
}

/// What came of one action.
#[derive(Debug)]
pub struct EvaluationResult {
    action: String,
    resources: Vec<OnResource>,
    missing: Vec<String>,
    /// Whether resources were named; else the one is `*`.
    per_resource: bool,
}

impl EvaluationResult {
    /// Of an action, on the resources that were named, or on `*`.
    pub fn new(
        action: &str,
        resources: Vec<OnResource>,
        missing: &[String],
        per_resource: bool,
    ) -> Self {
        Self {
            action: action.to_owned(),
            resources,
            missing: missing.to_vec(),
            per_resource,
        }
    }

    /// How many statements it shows at most.
    pub fn statements(&self) -> usize {
        let listed = self.resources.iter().map(|on| on.matched.len());
        listed.sum::<usize>().saturating_mul(2)
    }

    /// The most restrictive decision.
    fn verdict(&self) -> Verdict {
        let verdicts = self.resources.iter().map(|on| on.verdict);
        verdicts.max().unwrap_or(Verdict::Implicit)
    }

    /// The statements that contribute to it, on whatever resource.
    fn matched(&self) -> Vec<&Matched> {
        let verdict = self.verdict();
        let mut seen = HashSet::new();
        let contributing = self.resources.iter().filter(|on| on.verdict == verdict);
        contributing
            .flat_map(|on| &on.matched)
            .filter(|matched| seen.insert(*matched))
            .collect()
    }

    /// Whether a part allows all resources, if that part applies.
    fn all(&self, part: impl Fn(&OnResource) -> Option<bool>) -> Option<bool> {
        let mut said = self.resources.iter().filter_map(part).peekable();
        said.peek()?;
        Some(said.all(|allowed| allowed))
    }

    /// The kind of resource of the results, as a template of its ARN.
    fn template(&self) -> &'static str {
        let mut found = self.resources.iter().map(|on| template(&on.resource));
        let first = found.next().flatten();
        match first {
            Some(first) if found.all(|other| other == Some(first)) => first,
            Some(_) | None => "*",
        }
    }

    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("EvalActionName", &self.action);
        out.text("EvalResourceName", self.template());
        out.text("EvalDecision", self.verdict().as_str());
        render_matched(out, self.matched());
        out.texts("MissingContextValues", &self.missing);
        if let Some(allowed) = self.all(|on| on.by_organization) {
            out.element("OrganizationsDecisionDetail", |out| {
                out.boolean("AllowedByOrganizations", allowed);
            });
        }
        render_boundary(out, self.all(|on| on.by_boundary));
        if self.per_resource {
            out.list("ResourceSpecificResults", &self.resources, |out, on| {
                out.text("EvalResourceName", &on.resource);
                out.text("EvalResourceDecision", on.verdict.as_str());
                render_matched(out, &on.matched);
                out.texts("MissingContextValues", &self.missing);
                render_boundary(out, on.by_boundary);
            });
        }
    }
}

/// The templates of ARNs, by the service and what the resource begins with.
const TEMPLATES: &[(&str, &str, &str)] = &[
    (
        "iam",
        "group/",
        "arn:${Partition}:iam::${Account}:group/${GroupNameWithPath}",
    ),
    (
        "iam",
        "oidc-provider/",
        "arn:${Partition}:iam::${Account}:oidc-provider/${OidcProviderName}",
    ),
    (
        "iam",
        "policy/",
        "arn:${Partition}:iam::${Account}:policy/${PolicyNameWithPath}",
    ),
    (
        "iam",
        "role/",
        "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}",
    ),
    (
        "iam",
        "user/",
        "arn:${Partition}:iam::${Account}:user/${UserNameWithPath}",
    ),
    (
        "kms",
        "alias/",
        "arn:${Partition}:kms:${Region}:${Account}:alias/${Alias}",
    ),
    (
        "kms",
        "key/",
        "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}",
    ),
];

fn template(resource: &str) -> Option<&'static str> {
    let parts = keyward_types::arn::ArnParts::parse(resource)?;
    TEMPLATES
        .iter()
        .find(|(service, head, _)| parts.service == *service && parts.resource.starts_with(head))
        .map(|(_, _, template)| *template)
}

fn render_matched<'m>(out: &mut xml::Writer<'_>, matched: impl IntoIterator<Item = &'m Matched>) {
    out.list("MatchedStatements", matched, |out, matched| {
        out.text("SourcePolicyId", &matched.source);
        // The model has other words, but AWS answers this.
        out.text("SourcePolicyType", "IAM Policy");
        if let Some((start, end)) = matched.place {
            position(out, "StartPosition", start);
            position(out, "EndPosition", end);
        }
    });
}

fn render_boundary(out: &mut xml::Writer<'_>, allowed: Option<bool>) {
    if let Some(allowed) = allowed {
        out.element("PermissionsBoundaryDecisionDetail", |out| {
            out.boolean("AllowedByPermissionsBoundary", allowed);
        });
    }
}

fn position(out: &mut xml::Writer<'_>, name: &str, position: Position) {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    out.element(name, |out| {
        out.integer("Line", number(position.line));
        out.integer("Column", number(position.column));
    });
}

/// A page of outcomes.
#[derive(Debug)]
pub struct EvaluationResults(Page<EvaluationResult>);

impl EvaluationResults {
    /// A page of these.
    pub fn new(items: Vec<EvaluationResult>, marker: Option<String>) -> Self {
        Self(Page { items, marker })
    }
}

impl Output<Iam> for EvaluationResults {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0
            .render(out, "EvaluationResults", |out, outcome| outcome.render(out));
    }
}
