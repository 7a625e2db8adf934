//! The made-up request of a simulation: actions, resources and the values of condition keys.

use keyward_crypto::random;
use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
    request::{Attributes, Values},
};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    principal::{Principal, PrincipalKind},
    tag::Tag,
    unique_id::{UniqueId, UniqueIdKind},
};
use keyward_wire::json::{self, Members};

use crate::{
    context::Context,
    iam::{
        fault::IamFault,
        names,
        page::Paging,
        shape,
        simulation::{
            outcome::{self, Outcomes},
            source::{Source, Sources, invalid},
        },
    },
};

/// The most actions times resources of one simulation.
const MAX_PAIRS: usize = 20_000;

/// The value of a condition key.
#[derive(Debug)]
struct Entry {
    /// In lower case.
    key: String,
    values: Vec<String>,
    is_list: bool,
}

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
        let boundaries = names::documents(m, "PermissionsBoundaryPolicyInputList");
        let resource_policy = names::optional_document(m, "ResourcePolicy");
        let text = |m: &mut Members<'_>, name, most| {
            m.string(name).length(1, most).optional().map(str::to_owned)
        };
        let resource_owner = text(m, "ResourceOwner", 2048);
        let caller = text(m, "CallerArn", 2048);
        // It says which further resources of EC2 a launch needs; here all are given.
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

    /// Asks the evaluator, for a page of actions and resources.
    ///
    /// # Errors
    /// `InvalidInput` if a policy is malformed.
    pub async fn run(
        &self,
        cx: &Context<'_>,
        operation: &str,
        mut sources: Sources,
    ) -> Result<Outcomes, IamFault> {
        if let Some([text, ..]) = self.boundaries.as_deref() {
            let id = "PermissionsBoundaryPolicyInputList.1".to_owned();
            sources.boundary = Some(Source::of(id, text, PolicyKind::Boundary)?);
        }
        let (principal, known) = self.principal(cx, &sources)?;
        let policy = match &self.resource_policy {
            Some(text) => Some(self.resource_policy(cx, text, &principal).await?),
            None => None,
        };
        let context = MadeUp {
            entries: &self.entries,
            principal: known.then_some(&principal),
            tags: &sources.tags,
        };
        let any = ["*".to_owned()];
        let resources = if self.resources.is_empty() {
            &any[..]
        } else {
            &self.resources
        };
        let pairs: Vec<(usize, &str, &str)> = self
            .actions
            .iter()
            .flat_map(|action| resources.iter().map(move |resource| (action, resource)))
            .enumerate()
            .map(|(at, (action, resource))| (at, action.as_str(), resource.as_str()))
            .collect();
        let filter = format!("{:?} {resources:?}", self.actions);
        let page = self
            .paging
            .cut(cx, (operation, &filter), pairs, |(at, _, _)| {
                format!("{at:06}")
            })?;
        // Whose policies are tried out is of the caller's account, so the same limits hold.
        let in_play = cx.caller.in_play();
        let limits = if sources.is_of_principal {
            in_play.levels()
        } else {
            Vec::new()
        };
        let missing = sources.context_keys();
        let missing = missing
            .into_iter()
            .filter(|key| matches!(context.values(&key.to_lowercase()), Values::Absent));
        let missing: Vec<String> = missing.collect();
        let mut items = Vec::with_capacity(page.items.len());
        for (_, action, resource) in page.items {
            let owner = self.owner(cx, resource)?;
            let outcome = outcome::Asked {
                caller: &principal,
                action,
                resource,
                owner,
                resource_policy: policy.as_ref(),
                context: &context,
                organization: &limits,
            }
            .outcome(&sources, &missing, !self.resources.is_empty());
            items.push(outcome);
            // A page may hold a thousand decisions; others are served between them.
            tokio::task::yield_now().await;
        }
        Ok(Outcomes::new(items, page.marker))
    }

    /// Who owns a resource: the account in its ARN, the one that is named, or the caller's.
    fn owner(&self, cx: &Context<'_>, resource: &str) -> Result<(Partition, AccountId), IamFault> {
        let (partition, account) = cx.caller.home();
        let of_arn = |arn: &str| {
            let parts = ArnParts::parse(arn)?;
            let partition = Partition::parse(parts.partition)?;
            Some((partition, AccountId::parse(parts.account).ok()?))
        };
        if let Some(owner) = &self.resource_owner {
            let invalid = || IamFault::invalid(format!("ARN {owner} is not valid."));
            return AccountId::parse(owner)
                .ok()
                .map(|account| (partition, account))
                .or_else(|| of_arn(owner))
                .ok_or_else(invalid);
        }
        Ok(of_arn(resource).unwrap_or((partition, account)))
    }

    /// Who is said to call: the user that is named, or whose policies are tried out. The policies
    /// alone have a caller that no policy names.
    fn principal(
        &self,
        cx: &Context<'_>,
        sources: &Sources,
    ) -> Result<(Principal, bool), IamFault> {
        let unnamed = || UniqueId::from_random(UniqueIdKind::User, random::array());
        if let Some(arn) = &self.caller {
            let invalid = || IamFault::invalid(format!("ARN {arn} is not valid."));
            let same = sources
                .principal
                .as_ref()
                .filter(|known| known.arn() == arn);
            if let Some(known) = same {
                return Ok((known.clone(), true));
            }
            let parts = ArnParts::parse(arn).ok_or_else(invalid)?;
            let partition = Partition::parse(parts.partition).ok_or_else(invalid)?;
            let account = AccountId::parse(parts.account).map_err(|_| invalid())?;
            let name = shape::name_of(parts.resource);
            let user = parts.service == "iam" && parts.resource.starts_with("user/");
            if !user || name.is_empty() {
                return Err(invalid());
            }
            let path = shape::path_of(arn);
            return Ok((
                Principal::user(partition, account, path, name, unnamed()),
                true,
            ));
        }
        if let Some(principal) = &sources.principal {
            return Ok((principal.clone(), true));
        }
        if self.resource_policy.is_some() {
            return Err(IamFault::invalid(
                "CallerArn is required if ResourcePolicy is given.",
            ));
        }
        let (partition, account) = cx.caller.home();
        Ok((
            Principal::user(partition, account, "/", "simulated", unnamed()),
            false,
        ))
    }

    async fn resource_policy(
        &self,
        cx: &Context<'_>,
        text: &str,
        principal: &Principal,
    ) -> Result<Policy, IamFault> {
        let kms = |arn: &String| ArnParts::parse(arn).is_some_and(|parts| parts.service == "kms");
        let kind = if self.resources.iter().any(kms) {
            PolicyKind::Key
        } else {
            PolicyKind::Endpoint
        };
        let document = Document::parse(text, kind).map_err(invalid)?;
        let bound = cx
            .directory()
            .bind_principals(cx.partition(), &document)
            .await?;
        let mut bound = bound.map_err(invalid)?;
        // The simulated caller is who its ARN says, there or not.
        if let PrincipalKind::User { id, .. } = principal.kind() {
            bound.insert(principal.arn().to_owned(), id.clone());
        }
        let bindings: Bindings = bound.into_iter().collect();
        Ok(Policy::compile(&document, &bindings))
    }

    /// Writes the request on the audit trail.
    pub fn describe(&self, parameters: &mut json::Writer<'_>) {
        parameters.strings("actionNames", &self.actions);
        if !self.resources.is_empty() {
            parameters.strings("resourceArns", &self.resources);
        }
        if let Some(caller) = &self.caller {
            parameters.string("callerArn", caller);
        }
    }
}

/// The condition keys of a made-up request: those given, and those that the caller has anyway.
#[derive(Debug)]
struct MadeUp<'a> {
    entries: &'a [Entry],
    principal: Option<&'a Principal>,
    tags: &'a [Tag],
}

impl Attributes for MadeUp<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            return match (entry.is_list, entry.values.first()) {
                (true, _) => Values::many(entry.values.iter().map(String::as_str)),
                (false, Some(value)) => Values::one(value.as_str()),
                (false, None) => Values::Absent,
            };
        }
        let Some(principal) = self.principal else {
            return Values::Absent;
        };
        match (key, principal.kind()) {
            ("aws:principalarn", _) => Values::one(principal.principal_arn()),
            ("aws:principalaccount", _) => Values::one(principal.account().to_string()),
            ("aws:userid", _) => Values::one(principal.user_id()),
            ("aws:username", PrincipalKind::User { name, .. }) => Values::one(name.as_str()),
            ("aws:principaltype", PrincipalKind::User { .. }) => Values::one("User"),
            ("aws:principaltype", PrincipalKind::RoleSession { .. }) => Values::one("AssumedRole"),
            _ => match key.strip_prefix("aws:principaltag/") {
                Some(name) => {
                    let of_name = |tag: &&Tag| tag.key.to_lowercase() == name;
                    Values::found(
                        self.tags
                            .iter()
                            .filter(of_name)
                            .map(|tag| tag.value.as_str()),
                    )
                }
                None => Values::Absent,
            },
        }
    }
}
