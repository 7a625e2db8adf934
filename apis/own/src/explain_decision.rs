//! `ExplainDecision`: may this principal do that with this key today, and why: every policy that
//! takes part, the statement that decides, what did not match in the others, and the smallest
//! changes that would turn a denial into an allow.

use std::{collections::BTreeMap, sync::Arc};

use keyward_api_kms::{fault::KmsFault, identifier::Forms, members, units::KeyUnit};
use keyward_engine::{
    api::ResourceQuestion,
    audit::parameters::{Parameter, structures, text},
    directory::units::identity::RoleUnit,
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::{
        case,
        decision::{Decision, DecisionType},
        document::PolicyKind,
        explain::{self, Explanation, Finding, RequestValue},
        known::actions::{KnownAction, look_up},
        permit::Permit,
    },
};
use keyward_wire::json::{Members, Object, Writer};
use serde_json::Value;

use crate::{
    Cx, Keyward,
    case::{CaseCaller, CaseResource, Written, shown_home},
    fault::KeywardFault,
    given::{SHOWN_CONTEXT, given_context, meant},
    scans::Turn,
};

/// The input.
#[derive(Debug)]
pub struct ExplainDecision {
    principal: String,
    issuer: Option<String>,
    action: String,
    about: About,
    context: BTreeMap<String, Value>,
}

/// What the question is about.
#[derive(Debug)]
enum About {
    Key(String),
    Resource(String),
}

/// The output.
#[derive(Debug)]
pub struct Explained {
    explanation: Explanation,
    written: Written,
    /// The condition keys in statements that a request could have in addition.
    unknown: Vec<String>,
    notes: Vec<String>,
}

keyward_types::action!("keyward": ExplainDecision = "keyward:ExplainDecision");

impl Operation for ExplainDecision {
    const NAME: &'static str = "ExplainDecision";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("Principal"),
        text("Issuer"),
        text("Action"),
        text("KeyId"),
        text("Resource"),
        structures("Context", SHOWN_CONTEXT),
    ];
    type Api = Keyward;
    type Output = Explained;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let principal = m.string("Principal").length(1, 2048).required().to_owned();
        let issuer = m.string("Issuer").length(1, 2048).optional();
        let issuer = issuer.map(str::to_owned);
        let action = action_name(&mut m);
        let key = members::optional_key_id(&mut m, "KeyId");
        let resource = m.string("Resource").length(1, 2048).optional();
        let resource = resource.map(str::to_owned);
        let context = given_context(&mut m);
        m.finish()?;
        let action = known_action(&action)?;
        let about = match (key, resource) {
            (Some(key), None) => {
                check_key_action(&action)?;
                About::Key(key)
            }
            (None, Some(resource)) => About::Resource(resource),
            (Some(_), Some(_)) | (None, None) => {
                let message = "Give KeyId or Resource, and not both.";
                return Err(KmsFault::validation(message).into());
            }
        };
        Ok(Self {
            principal,
            issuer,
            action,
            about,
            context,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<(), KeywardFault> {
        cx.check_context(&self.context, &self.action)
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Explained>, KeywardFault> {
        let turn = cx.state().scans().turn().await?;
        let subject = cx
            .subject_or_fault(&self.principal, self.issuer.as_deref())
            .await?;
        let target = match &self.about {
            About::Key(key) => {
                let unit = cx.own_key(key).await?;
                cx.target_key(&unit).await?
            }
            About::Resource(resource) => cx.target_of(resource, &self.action).await?,
        };
        let written = cx
            .write_case(&subject, &self.action, &target, &self.context)
            .await?;
        let explained = Explained::of(written, Vec::new(), turn).await?;
        let explained = explained.known(cx, &self.action);
        Ok(Done::unchanged(explained))
    }
}

/// An action with its service's prefix.
pub(super) fn action_name(m: &mut Members<'_>) -> String {
    let legal = |text: &str| {
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        text.split_once(':')
            .is_some_and(|(service, name)| plain(service) && plain(name))
    };
    let action = m.string("Action").length(3, 128);
    action
        .pattern("[a-zA-Z0-9-]+:[a-zA-Z0-9]+", legal)
        .required()
        .to_owned()
}

/// The action in AWS's own case. An unknown action is a mistake of the caller: "denied" would be
/// true, but would not help.
pub(super) fn known_action(given: &str) -> Result<String, KeywardFault> {
    match look_up(given) {
        KnownAction::Action(action) => Ok(action),
        // What other services have is not known here.
        KnownAction::OtherService => Ok(given.to_owned()),
        KnownAction::Mistyped(alike) => {
            let message = format!("There is no action {given}.{}", meant(&alike));
            Err(KmsFault::validation(message).into())
        }
    }
}

/// An action on keys.
pub(super) fn check_key_action(action: &str) -> Result<(), KeywardFault> {
    if action.starts_with("kms:") {
        return Ok(());
    }
    let message = format!("{action} is not an action on KMS keys: their names begin with kms:.");
    Err(KmsFault::validation(message).into())
}

impl Cx<'_> {
    /// Somebody of the caller's own account, or the fault that says whom the question can be about.
    pub(super) async fn subject_or_fault(
        &self,
        text: &str,
        issuer: Option<&str>,
    ) -> Result<CaseCaller, KeywardFault> {
        let found = self.subject(text, issuer).await?;
        found.ok_or_else(|| KeywardFault::NoSuchPrincipal {
            principal: text.to_owned(),
            account: shown_home(self.caller.home()),
        })
    }

    /// A key of the caller's own account.
    pub(super) async fn own_key(&self, text: &str) -> Result<Arc<KeyUnit>, KeywardFault> {
        let found = self.kms().named_key(text, Forms::All).await?;
        match found.found_unit() {
            Some(unit) if unit.arn().account() == self.account() => Ok(Arc::clone(unit)),
            Some(_) | None => Err(KeywardFault::OtherAccount {
                account: shown_home(self.caller.home()),
            }),
        }
    }

    /// What is not a key: `*`, an alias, a role, another resource of the caller's account.
    pub(super) async fn target_of(
        &self,
        resource: &str,
        action: &str,
    ) -> Result<CaseResource, KeywardFault> {
        let assumes = action.to_ascii_lowercase().starts_with("sts:assumerole");
        if !assumes {
            let asked = ResourceQuestion {
                arn: resource,
                action,
            };
            return match self.facts(asked).await? {
                Some(facts) => CaseResource::with_facts(resource, &facts),
                None => Ok(CaseResource::without_policy(resource)),
            };
        }
        let home = self.caller.home();
        let role: Option<Arc<RoleUnit>> = match self.directory().id_of_arn(home.0, resource).await?
        {
            Some(id) => self.directory().role(home, &id).await?,
            None => None,
        };
        match role {
            Some(role) => {
                let trust = &role.record().trust;
                let shown = self
                    .kms()
                    .stored_for_display(trust, PolicyKind::Trust)
                    .await?;
                CaseResource::role(&role, &shown)
            }
            None => Err(KeywardFault::NoSuchPrincipal {
                principal: resource.to_owned(),
                account: shown_home(home),
            }),
        }
    }
}

impl Explained {
    /// Explains a case.
    pub(super) async fn of(
        written: Written,
        notes: Vec<String>,
        turn: Turn,
    ) -> Result<Self, KeywardFault> {
        // Large policies take a while, so not on a thread that serves requests.
        let explained = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            case::explain(&written.line).map(|explanation| Self {
                unknown: unknown_keys(&explanation),
                explanation,
                written,
                notes,
            })
        });
        let explained = explained
            .await
            .map_err(|error| Internal::new(error.to_string()))?;
        // The case was built here from stored records, so it can be read.
        explained.map_err(|errors| Internal::new(errors.join("; ")).into())
    }

    /// Without the condition keys that no request for the action can have: those are known to be absent.
    pub(super) fn known(mut self, cx: &Cx<'_>, action: &str) -> Self {
        self.unknown.retain(|key| cx.may_have(key, action));
        self
    }

    fn text(&self) -> String {
        let mut text = explain::text::render(&self.explanation);
        if !self.written.titles.is_empty() {
            text.push_str("\nThe policies:\n");
            for (place, title) in &self.written.titles {
                text.push_str(&format!("  {place}: {title}\n"));
            }
        }
        if !self.unknown.is_empty() {
            text.push_str("\nNot known here, and assumed absent; a request may have them:\n");
            for key in &self.unknown {
                text.push_str(&format!("  {key}\n"));
            }
        }
        if !self.notes.is_empty() {
            text.push_str("\nNotes:\n");
            for note in &self.notes {
                text.push_str(&format!("  - {note}\n"));
            }
        }
        text
    }
}

/// Whether a condition key, in lower case, follows from principal and resource: it is known to be
/// absent when it is.
pub(super) fn is_settled(key: &str) -> bool {
    const SETTLED: &[&str] = &[
        "aws:principal",
        "aws:resource",
        "aws:username",
        "aws:userid",
        "kms:key",
        "kms:multiregion",
        "kms:resourcealiases",
        "kms:customermasterkey",
        "kms:calleraccount",
    ];
    SETTLED.iter().any(|settled| key.starts_with(settled))
}

/// The condition keys in statements that the question does not give.
pub(super) fn unknown_keys(explanation: &Explanation) -> Vec<String> {
    let policies = explanation.layers.iter().flat_map(|layer| &layer.policies);
    let statements = policies.flat_map(|policy| &policy.statements);
    let findings = statements.flat_map(|statement| statement.failed.iter().chain(&statement.met));
    let mut unknown: Vec<String> = findings
        .filter_map(|finding| match finding {
            Finding::Condition {
                key,
                found: RequestValue::Absent,
                ..
            } => Some(key.clone()),
            Finding::Condition { .. }
            | Finding::Action(_)
            | Finding::Principal(_)
            | Finding::Resource(_) => None,
        })
        .filter(|key| !is_settled(&key.to_lowercase()))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

/// The word for a decision.
pub(super) fn word(decision: &Decision) -> &'static str {
    DecisionType::of(decision).as_str()
}

impl Output<Keyward> for Explained {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("Decision", word(&self.explanation.decision));
        out.string("Text", &self.text());
        out.string("Explanation", &explain::json::render(&self.explanation));
        out.array("Policies", |policies| {
            for (place, title) in &self.written.titles {
                policies.object(|policy| {
                    policy.string("Place", place);
                    policy.string("Title", title);
                });
            }
        });
        out.strings("Unknown", &self.unknown);
        out.strings("Notes", &self.notes);
        out.string("Case", &String::from_utf8_lossy(&self.written.line));
    }
}
