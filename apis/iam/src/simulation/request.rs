//! The made-up request of a simulation: actions, resources and the values of condition keys.

use keyward_crypto::random;
use keyward_engine::policy::{
    attributes::{Attributes as _, Values},
    document::PolicyKind,
    principal::Bindings,
};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    principal::{Principal, PrincipalKind},
    unique_id::{UniqueId, UniqueIdKind},
};
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::IamFault,
    names,
    page::Paging,
    shape,
    simulation::{
        found::EntityArn,
        made_up::{Entry, MadeUp},
        outcome::{self, EvaluationResult, EvaluationResults},
        source::{SESSION, Source, Sources, context_keys},
    },
};

/// The most actions times resources of one simulation.
const MAX_PAIRS: usize = 20_000;
/// The most decisions in one answer, but that an action is never split.
const MAX_DECISIONS: usize = 1000;
/// The most statements that one answer shows.
const MAX_STATEMENTS: usize = 20_000;

/// What both simulations ask.
#[derive(Debug)]
pub struct Simulated {
    actions: Vec<String>,
    resources: Vec<String>,
    boundaries: Option<Vec<String>>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller: Option<String>,
    entries: Vec<Entry>,
    paging: Paging,
}

impl Simulated {
    /// Reads the members.
    pub fn read(m: &mut Members<'_>) -> Self {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let actions = m.strings("ActionNames").each_length(3, 128).required();
        let resources = m.strings("ResourceArns").each_length(1, 2048).optional();
        // An empty list counts as absent.
        let boundaries = names::documents(m, "PermissionsBoundaryPolicyInputList")
            .filter(|documents| !documents.is_empty());
        let resource_policy = names::optional_document(m, "ResourcePolicy");
        let text = |m: &mut Members<'_>, name, most| {
            m.string(name).length(1, most).optional().map(str::to_owned)
        };
        let resource_owner = text(m, "ResourceOwner", 2048);
        let caller = text(m, "CallerArn", 2048);
        // It says which other resources of EC2 a launch needs; here all resources are given.
        text(m, "ResourceHandlingOption", 64);
        let entries = m.structures("ContextEntries", |m| {
            let kinds = &[
                "string",
                "stringList",
                "numeric",
                "numericList",
                "boolean",
                "booleanList",
                "ip",
                "ipList",
                "binary",
                "binaryList",
                "date",
                "dateList",
            ];
            let key = m
                .string("ContextKeyName")
                .length(5, 256)
                .optional()
                .unwrap_or_default();
            let values = m.strings("ContextKeyValues").optional().unwrap_or_default();
            let kind = m
                .enumeration("ContextKeyType", kinds)
                .optional()
                .unwrap_or("string");
            Entry {
                key: key.to_lowercase(),
                values: values.into_iter().map(str::to_owned).collect(),
                is_list: kind.ends_with("List"),
            }
        });
        Self {
            actions: owned(actions),
            resources: owned(resources.unwrap_or_default()),
            boundaries,
            resource_policy,
            resource_owner,
            caller,
            entries: entries.optional().unwrap_or_default(),
            paging: Paging::read(m),
        }
    }

    /// What the model does not say.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn checked(self) -> Result<Self, IamFault> {
        for action in &self.actions {
            let legal = |part: &str| {
                let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
                !part.is_empty() && part.chars().all(letter)
            };
            let parts = action.split_once(':');
            if !parts.is_some_and(|(service, name)| legal(service) && legal(name)) {
                return Err(IamFault::invalid(format!("Invalid action name: {action}")));
            }
        }
        for resource in &self.resources {
            if resource != "*" && ArnParts::parse(resource).is_none() {
                return Err(IamFault::invalid(format!("ARN {resource} is not valid.")));
            }
        }
        if let Some(owner) = &self.resource_owner
            && account_of(owner).is_none()
        {
            return Err(IamFault::invalid(format!(
                "'{owner}' is not a valid as a Resource Owner."
            )));
        }
        if self.actions.len().saturating_mul(self.resources.len()) > MAX_PAIRS {
            return Err(IamFault::invalid(
                "Too many actions and resources for one simulation.",
            ));
        }
        if self.boundaries.as_ref().is_some_and(|list| list.len() != 1) {
            return Err(IamFault::invalid(
                "Exactly one permissions boundary can be given.",
            ));
        }
        if self
            .entries
            .iter()
            .any(|entry| !entry.is_list && entry.values.len() > 1)
        {
            return Err(IamFault::invalid(
                "A context key that is no list has one value.",
            ));
        }
        Ok(self)
    }

    /// Asks the evaluator, for a page of actions.
    ///
    /// # Errors
    /// `InvalidInput` if a policy is malformed.
    pub async fn run(
        &self,
        cx: &Cx<'_>,
        operation: &str,
        mut sources: Sources,
    ) -> Result<EvaluationResults, IamFault> {
        if let Some([text, ..]) = self.boundaries.as_deref() {
            let id = "PermissionsBoundaryPolicyInputList.1".to_owned();
            sources.boundary = Some(Source::of(id, text, PolicyKind::Boundary)?);
        }
        let caller = self.caller(cx, &sources)?;
        let policy = match &self.resource_policy {
            Some(text) => Some(self.resource_policy(text, &caller)?),
            None => None,
        };
        let context = MadeUp {
            entries: &self.entries,
            principal: caller.is_named.then_some(&caller.principal),
            tags: if caller.is_source { &sources.tags } else { &[] },
        };
        // The simulated identity is in the caller's account, so the same limits apply.
        let in_play = cx.caller.in_play();
        let limits = if sources.is_of_principal && !sources.without_organization {
            in_play.levels()
        } else {
            Vec::new()
        };
        let asked_for = context_keys(sources.identity.iter().chain(&policy));
        let absent = |key: &String| matches!(context.values(&key.to_lowercase()), Values::Absent);
        let missing: Vec<String> = asked_for.into_iter().filter(absent).collect();
        let any = ["*".to_owned()];
        let resources = if self.resources.is_empty() {
            &any[..]
        } else {
            &self.resources
        };
        let filter = format!("{:?} {resources:?}", self.actions);
        let actions = self.actions.iter().enumerate().collect();
        let place = |at: usize| format!("{at:06}");
        let most = MAX_DECISIONS.checked_div(resources.len()).unwrap_or(1);
        let paging = self.paging.at_most(most.max(1));
        let page = paging.cut(cx, (operation, &filter), actions, |(at, _)| place(*at))?;
        let mut marker = page.marker;
        let (mut items, mut listed, mut before) = (Vec::new(), 0, None);
        for (at, action) in page.items {
            let mut on = Vec::with_capacity(resources.len());
            for resource in resources {
                let owner = self.owner(cx, resource, &caller.principal);
                on.push(
                    outcome::SimulatedQuestion {
                        caller: &caller.principal,
                        action,
                        resource,
                        owner,
                        resource_policy: policy.as_ref(),
                        context: &context,
                        organization: &limits,
                    }
                    .outcome(&sources),
                );
                // A page may hold a thousand decisions; others are served between them.
                tokio::task::yield_now().await;
            }
            let outcome = EvaluationResult::new(action, on, &missing, !self.resources.is_empty());
            listed += outcome.statements();
            if listed > MAX_STATEMENTS {
                let Some(last) = before else {
                    return Err(IamFault::invalid(
                        "Too many statements apply to one action: name fewer resources.",
                    ));
                };
                // AWS may return fewer results than requested, too.
                marker = Some(cx.seal_marker(operation, &filter, &place(last))?);
                break;
            }
            items.push(outcome);
            before = Some(at);
        }
        Ok(EvaluationResults::new(items, marker))
    }

    /// The owner of a resource: the account in its ARN, the given one, or that of the simulated
    /// caller.
    fn owner(&self, cx: &Cx<'_>, resource: &str, caller: &Principal) -> (Partition, AccountId) {
        let of_arn = || {
            let parts = ArnParts::parse(resource)?;
            let partition = Partition::parse(parts.partition)?;
            Some((partition, AccountId::parse(parts.account).ok()?))
        };
        let named = || self.resource_owner.as_deref().and_then(account_of);
        of_arn()
            .or_else(named)
            .or_else(|| caller.account().map(|own| (caller.partition(), own)))
            .unwrap_or(cx.caller.home())
    }

    /// The simulated caller: the one that is given, or the one whose policies are simulated. For
    /// policies alone, and for those of a group, it is a caller that no policy names.
    fn caller(&self, cx: &Cx<'_>, sources: &Sources) -> Result<Caller, IamFault> {
        let id = |kind| UniqueId::from_random(kind, random::array());
        let unnamed = |partition, account| Caller {
            principal: Principal::user(partition, account, "/", SESSION, id(UniqueIdKind::User)),
            is_named: false,
            is_source: false,
        };
        let source = sources.principal.as_ref();
        let Some(arn) = &self.caller else {
            let (partition, account) = cx.caller.home();
            return match source {
                Some(principal) => Ok(Caller {
                    principal: principal.clone(),
                    is_named: true,
                    is_source: true,
                }),
                None if self.resource_policy.is_some() && !sources.is_of_principal => Err(
                    IamFault::invalid("CallerArn is required if ResourcePolicy is given."),
                ),
                None => Ok(unnamed(partition, account)),
            };
        };
        let entity = EntityArn::parse(arn)?;
        if let Some(principal) = source.filter(|known| known.principal_arn() == arn) {
            return Ok(Caller {
                principal: principal.clone(),
                is_named: true,
                is_source: true,
            });
        }
        // Nobody is looked up: the simulated caller is the one in the ARN, whether or not it
        // exists.
        let (partition, account, path) = (entity.partition, entity.account, shape::path_of(arn));
        let principal = match entity.noun {
            "user" => {
                let id = id(UniqueIdKind::User);
                Principal::user(partition, account, path, entity.name, id)
            }
            "role" => {
                let role = (path, entity.name, id(UniqueIdKind::Role));
                Principal::role_session(partition, account, role, SESSION)
            }
            // No policy names a group.
            _ => return Ok(unnamed(partition, account)),
        };
        Ok(Caller {
            principal,
            is_named: true,
            is_source: false,
        })
    }

    /// The policy that every resource is said to have: a key policy, the trust policy of a role
    /// that is to be assumed, or one of another kind.
    fn resource_policy(&self, text: &str, caller: &Caller) -> Result<Source, IamFault> {
        let kms = |arn: &String| ArnParts::parse(arn).is_some_and(|parts| parts.service == "kms");
        let sts = |action: &String| {
            let service = action.split(':').next();
            service.is_some_and(|service| service.eq_ignore_ascii_case("sts"))
        };
        let kind = if self.actions.iter().all(sts) {
            PolicyKind::Trust
        } else if self.resources.iter().any(kms) {
            PolicyKind::Key
        } else {
            PolicyKind::Endpoint
        };
        // Whom else the policy names has no bearing on the decision, there or not.
        let mut bindings = Bindings::new();
        match caller.principal.kind() {
            PrincipalKind::User { id, .. } if caller.is_named => {
                bindings.bind(caller.principal.principal_arn(), id.clone());
            }
            PrincipalKind::RoleSession { role_id, .. } => {
                bindings.bind(caller.principal.principal_arn(), role_id.clone());
            }
            PrincipalKind::User { .. }
            | PrincipalKind::Root
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous
            | PrincipalKind::Service { .. } => {}
        }
        Source::bound("ResourcePolicy".to_owned(), (text, kind), &bindings)
    }
}

/// The account that the ARN of an account's root names.
fn account_of(arn: &str) -> Option<(Partition, AccountId)> {
    let parts = ArnParts::parse(arn)?;
    let root = parts.service == "iam" && parts.region.is_empty() && parts.resource == "root";
    let partition = Partition::parse(parts.partition).filter(|_| root)?;
    Some((partition, AccountId::parse(parts.account).ok()?))
}

/// The simulated caller.
#[derive(Debug)]
struct Caller {
    principal: Principal,
    /// Whether policies can name it.
    is_named: bool,
    /// Whether it is the one whose policies are tried out.
    is_source: bool,
}
