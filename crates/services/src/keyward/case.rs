//! What the policies say today, as a case (`docs/policy-cases.md`): who asks, with every policy
//! and grant that speaks for or against it. The evaluator decides it as it decides cases without
//! a server; it is the pipeline's own.

use std::collections::BTreeMap;

use keyward_keys::record::KeyRecord;
use keyward_policy::principal::PrincipalRef;
use keyward_store::{
    path::{Path, Prefix},
    store::MAX_RANGE,
};
use keyward_types::{
    account::AccountId, key_id::KeyArn, partition::Partition, principal::Principal,
    unique_id::UniqueIdKind,
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{
    context::Context,
    directory::{
        aws_policies,
        identities::Home,
        records::identity::ManagedPolicyRef,
        units::{
            KeyUnit,
            identity::{RoleUnit, UserUnit},
        },
    },
    fault::Internal,
    grants::{
        index::Places, lookup::stored, party::standings, record::GrantRecord,
        terms::ContextConstraint,
    },
    keyward::fault::KeywardFault,
};

/// The most grants of one grantee that are looked at.
const MOST_GRANTS: usize = 1000;
/// The session that stands for any session of a role.
const ANY_SESSION: &str = "any-session";

/// A policy with what it is called.
#[derive(Clone, Debug)]
pub struct Titled {
    /// Such as `inline policy "p" of the user "alice"`.
    pub title: String,
    text: Box<RawValue>,
}

/// Somebody who may ask, with all that speaks for it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The identity.
    pub principal: Principal,
    principal_id: Option<String>,
    role_arn: Option<String>,
    issuer: Option<String>,
    tags: Vec<(String, String)>,
    identity: Vec<Titled>,
    boundary: Option<Titled>,
    /// Session policies; known only of a recorded request.
    pub session: Option<Vec<Titled>>,
    scps: Vec<Vec<Titled>>,
    org: Option<(String, Vec<String>)>,
}

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its ARN, or `*`.
    pub resource: String,
    policy: Option<Titled>,
    key: Option<KeyArn>,
    context: BTreeMap<String, Value>,
    rcps: Vec<Vec<Titled>>,
}

/// A case as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Case<'c> {
    principal: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'c str>,
    action: &'c str,
    resource: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_policy: Option<&'c RawValue>,
    identity_policies: Vec<&'c RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary: Option<&'c RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_policy: Option<Vec<&'c RawValue>>,
    scps: Vec<Vec<&'c RawValue>>,
    rcps: Vec<Vec<&'c RawValue>>,
    grants: Vec<GrantCase>,
    context: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantCase {
    grantee: String,
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<String>,
    issuing_account: String,
}

/// A case with what its policies are called.
#[derive(Debug)]
pub struct Written {
    /// The line.
    pub line: Vec<u8>,
    /// Place in the case and title, in the case's order.
    pub titles: Vec<(String, String)>,
}

impl Titled {
    pub(super) fn new(title: String, text: &str) -> Result<Self, KeywardFault> {
        // The text stays as it was written, so that lines can be told.
        let text = RawValue::from_string(text.trim().to_owned())
            .map_err(|error| Internal::new(error.to_string()))?;
        Ok(Self { title, text })
    }
}

impl Context<'_> {
    /// Somebody of the caller's own account, by ARN or unique id, or a service by its name; none
    /// if there is nobody like that here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn subject(
        &self,
        text: &str,
        issuer: Option<&str>,
    ) -> Result<Option<Subject>, KeywardFault> {
        let home = self.caller.home();
        let directory = self.directory();
        let named = PrincipalRef::parse_aws(text).or_else(|| PrincipalRef::parse_service(text));
        let own = |account: AccountId| account == home.1;
        match named {
            Some(PrincipalRef::Account { account, .. }) if own(account) => {
                let principal = Principal::root(home.0, home.1);
                self.of_principal(principal).await.map(Some)
            }
            Some(PrincipalRef::User(arn)) => match directory.id_of_arn(home.0, arn).await? {
                Some(id) => match directory.user(home.0, home.1, &id).await? {
                    Some(user) => self.of_user(&user).await.map(Some),
                    None => Ok(None),
                },
                None => Ok(None),
            },
            Some(PrincipalRef::Role(arn)) => match directory.id_of_arn(home.0, arn).await? {
                Some(id) => match directory.role(home, &id).await? {
                    Some(role) => self.of_role(&role, ANY_SESSION).await.map(Some),
                    None => Ok(None),
                },
                None => Ok(None),
            },
            Some(PrincipalRef::Session { arn, account, role }) if own(account) => {
                let session = arn.rsplit('/').next().unwrap_or_default();
                match directory.role_by_name(home, role).await? {
                    Some(role) => self.of_role(&role, session).await.map(Some),
                    None => Ok(None),
                }
            }
            Some(PrincipalRef::Unique(id)) if directory.home_of(&id).await? == Some(home) => {
                match id.kind() {
                    Some(UniqueIdKind::User) => match directory.user(home.0, home.1, &id).await? {
                        Some(user) => self.of_user(&user).await.map(Some),
                        None => Ok(None),
                    },
                    Some(UniqueIdKind::Role) => match directory.role(home, &id).await? {
                        Some(role) => self.of_role(&role, ANY_SESSION).await.map(Some),
                        None => Ok(None),
                    },
                    Some(UniqueIdKind::Group | UniqueIdKind::ManagedPolicy) | None => Ok(None),
                }
            }
            Some(PrincipalRef::FederatedUser(arn)) => self.federated(arn, issuer).await,
            Some(PrincipalRef::Service(name)) => {
                let principal = Principal::service(home.0, home.1, name);
                Ok(Some(plain(principal)))
            }
            Some(
                PrincipalRef::Everyone
                | PrincipalRef::Account { .. }
                | PrincipalRef::Session { .. }
                | PrincipalRef::Unique(_)
                | PrincipalRef::Federated(_)
                | PrincipalRef::CanonicalUser(_),
            )
            | None => Ok(None),
        }
    }

    /// A federated user's session, made by `issuer`: a user, or root if none is named.
    async fn federated(
        &self,
        arn: &str,
        issuer: Option<&str>,
    ) -> Result<Option<Subject>, KeywardFault> {
        let home = self.caller.home();
        let own = format!("arn:{}:sts::{}:federated-user/", home.0, home.1);
        let Some(name) = arn.strip_prefix(&own) else {
            return Ok(None);
        };
        let maker = match issuer {
            None => None,
            Some(issuer) => match self.directory().id_of_arn(home.0, issuer).await? {
                Some(id) => self.directory().user(home.0, home.1, &id).await?,
                None => return Ok(None),
            },
        };
        let mut subject = match &maker {
            Some(user) => self.of_user(user).await?,
            None => {
                let principal = Principal::root(home.0, home.1);
                self.of_principal(principal).await?
            }
        };
        let id = maker.as_ref().map(|user| user.record().id.clone());
        subject.principal = Principal::federated_user(home.0, home.1, name, id);
        let root = format!("arn:{}:iam::{}:root", home.0, home.1);
        subject.issuer = Some(issuer.map_or(root, str::to_owned));
        Ok(Some(subject))
    }

    /// The root user, or whoever has no policies.
    pub(super) async fn of_principal(&self, principal: Principal) -> Result<Subject, KeywardFault> {
        let mut subject = plain(principal);
        self.add_organization(&mut subject).await?;
        Ok(subject)
    }

    /// A user.
    pub(super) async fn of_user(&self, user: &UserUnit) -> Result<Subject, KeywardFault> {
        let record = user.record();
        let home = self.caller.home();
        let mut subject = plain(user.principal().as_ref().clone());
        subject.principal_id = Some(record.id.to_string());
        subject.tags = tags(&record.tags);
        let owner = format!("the user \"{}\"", record.name);
        subject.add_inline(&owner, &record.inline_policies)?;
        self.add_attached(&mut subject, home, &owner, &record.attached_policies)
            .await?;
        for id in &record.groups {
            let Some(group) = self.directory().group(home, id).await? else {
                continue;
            };
            let group = group.record();
            let owner = format!("the group \"{}\"", group.name);
            subject.add_inline(&owner, &group.inline_policies)?;
            self.add_attached(&mut subject, home, &owner, &group.attached_policies)
                .await?;
        }
        if let Some(boundary) = &record.boundary {
            subject.boundary = Some(self.managed(home, boundary, "permissions boundary").await?);
        }
        self.add_organization(&mut subject).await?;
        Ok(subject)
    }

    /// A session of a role.
    pub(super) async fn of_role(
        &self,
        role: &RoleUnit,
        session: &str,
    ) -> Result<Subject, KeywardFault> {
        let record = role.record();
        let home = self.caller.home();
        let mut subject = plain(role.session(session));
        subject.principal_id = Some(record.id.to_string());
        subject.role_arn = Some(role.arn().to_owned());
        subject.tags = tags(&record.tags);
        let owner = format!("the role \"{}\"", record.name);
        subject.add_inline(&owner, &record.inline_policies)?;
        self.add_attached(&mut subject, home, &owner, &record.attached_policies)
            .await?;
        if let Some(boundary) = &record.boundary {
            subject.boundary = Some(self.managed(home, boundary, "permissions boundary").await?);
        }
        self.add_organization(&mut subject).await?;
        Ok(subject)
    }

    async fn add_attached(
        &self,
        subject: &mut Subject,
        home: Home,
        owner: &str,
        attached: &[ManagedPolicyRef],
    ) -> Result<(), KeywardFault> {
        for policy in attached {
            let what = format!("attached to {owner}:");
            subject
                .identity
                .push(self.managed(home, policy, &what).await?);
        }
        Ok(())
    }

    /// A managed policy, the version that decides.
    pub(super) async fn managed(
        &self,
        home: Home,
        policy: &ManagedPolicyRef,
        what: &str,
    ) -> Result<Titled, KeywardFault> {
        let title = format!("{what} {}", policy.arn);
        if let Some(row) = aws_policies::row(&policy.arn) {
            return Titled::new(title, row.text);
        }
        let unit = self.directory().attached_policy(home, policy).await?;
        let text = unit.record().and_then(|record| record.default_text());
        let text = text.ok_or_else(|| Internal::new("a managed policy has no default version"))?;
        Titled::new(title, text)
    }

    async fn add_organization(&self, subject: &mut Subject) -> Result<(), KeywardFault> {
        let home = (subject.principal.partition(), subject.principal.account());
        let Some(membership) = self.directory().membership(home).await? else {
            return Ok(());
        };
        for level in membership.scps() {
            let titled = level.iter().map(|policy| {
                Titled::new(
                    format!("service control policy {}", policy.arn()),
                    &policy.record().text,
                )
            });
            subject.scps.push(titled.collect::<Result<_, _>>()?);
        }
        subject.org = Some((
            membership.id().to_string(),
            vec![membership.member().path().to_owned()],
        ));
        Ok(())
    }

    /// A key of this account and Region.
    pub(super) async fn target_key(&self, unit: &KeyUnit) -> Result<Target, KeywardFault> {
        let record = unit.record();
        let arn = unit.arn();
        let shown = self.policy_for_display(record).await?;
        let title = format!("the key policy of {}", record.id);
        let mut target = Target {
            resource: arn.to_string(),
            policy: Some(Titled::new(title, &shown)?),
            key: Some(arn.clone()),
            context: key_context(record),
            rcps: Vec::new(),
        };
        // AWS managed keys and the management account's keys stand under none.
        if let Some(membership) = self.directory().membership(self.caller.home()).await? {
            let path = membership.member().path().to_owned();
            target.give(
                "aws:ResourceOrgID",
                Value::from(membership.id().to_string()),
            );
            target.give("aws:ResourceOrgPaths", Value::from(vec![path]));
            if record.manager == keyward_types::key_spec::KeyManager::Customer {
                let titled = membership.rcps().iter().map(|policy| {
                    Titled::new(
                        format!("resource control policy {}", policy.arn()),
                        &policy.record().text,
                    )
                });
                target.rcps = vec![titled.collect::<Result<_, _>>()?];
            }
        }
        Ok(target)
    }

    /// The grants on a key that name the subject, as today's ARNs.
    async fn grants_of(
        &self,
        key: &KeyArn,
        principal: &Principal,
    ) -> Result<Vec<GrantRecord>, KeywardFault> {
        let sealed = self.directory().node().sealed();
        let places = Places::new(sealed, key);
        let mut found = Vec::new();
        for standing in standings(sealed, principal) {
            let prefix = places.grants_of(&standing.segment)?;
            for id in self.last_segments(&prefix, MOST_GRANTS).await? {
                let Ok(id) = keyward_types::grant::GrantId::parse(&id) else {
                    continue;
                };
                found.extend(
                    self.directory()
                        .grant(key, &id)
                        .await?
                        .map(|grant| grant.record),
                );
            }
        }
        Ok(found)
    }

    /// The last segments of what stands below a prefix, so many at most.
    async fn last_segments(
        &self,
        prefix: &Prefix,
        most: usize,
    ) -> Result<Vec<String>, KeywardFault> {
        let store = self.directory().node().sealed().store();
        let (mut found, mut after): (Vec<String>, Option<Path>) = (Vec::new(), None);
        loop {
            let page = store.range(prefix, after.as_ref(), MAX_RANGE).await;
            let page = page
                .map_err(|error| Internal::new(error.to_string()))?
                .value;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.path.clone());
            for entry in &page {
                found.extend(entry.path.segments().last().map(str::to_owned));
            }
            if found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
        }
    }

    /// Every grant on a key, so many at most.
    pub(super) async fn grants_on(
        &self,
        key: &KeyArn,
        most: usize,
    ) -> Result<Vec<GrantRecord>, KeywardFault> {
        let sealed = self.directory().node().sealed();
        let prefix = Places::new(sealed, key).grants()?;
        let (mut found, mut after): (Vec<GrantRecord>, Option<Path>) = (Vec::new(), None);
        loop {
            let page = sealed.range(&prefix, after.as_ref(), MAX_RANGE).await;
            let page = page
                .map_err(|error| Internal::new(error.to_string()))?
                .value;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.path.clone());
            for record in &page {
                found.push(stored(record)?.record);
            }
            if found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
        }
    }

    /// Writes the case: the subject, the action, the target, with more condition values.
    pub(super) async fn write_case(
        &self,
        subject: &Subject,
        action: &str,
        target: &Target,
        given: &BTreeMap<String, Value>,
    ) -> Result<Written, KeywardFault> {
        let mut grants = Vec::new();
        if let Some(key) = &target.key {
            for record in self.grants_of(key, &subject.principal).await? {
                grants.push(self.grant_case(&record).await?);
            }
        }
        let mut context = target.context.clone();
        context.extend(defaults(action));
        context.insert(
            "aws:CurrentTime".to_owned(),
            Value::from(self.now.iso8601()),
        );
        context.insert("aws:EpochTime".to_owned(), Value::from(self.now.seconds()));
        context.insert("aws:ViaAWSService".to_owned(), Value::from("false"));
        context.insert(
            "aws:RequestedRegion".to_owned(),
            Value::from(self.region.as_str()),
        );
        for (key, value) in &subject.tags {
            context.insert(
                format!("aws:PrincipalTag/{key}"),
                Value::from(value.as_str()),
            );
        }
        if let Some((id, paths)) = &subject.org {
            context.insert("aws:PrincipalOrgID".to_owned(), Value::from(id.as_str()));
            context.insert(
                "aws:PrincipalOrgPaths".to_owned(),
                Value::from(paths.clone()),
            );
        }
        for (key, value) in given {
            // What is given counts instead of what would follow, whatever its case.
            context.retain(|known, _| !known.eq_ignore_ascii_case(key));
            context.insert(key.clone(), value.clone());
        }
        let raw = |list: &'_ [Titled]| list.iter().map(|titled| titled.text.clone()).collect();
        let levels = |levels: &[Vec<Titled>]| -> Vec<Vec<Box<RawValue>>> {
            levels.iter().map(|level| raw(level)).collect()
        };
        let (identity, session): (Vec<Box<RawValue>>, Option<Vec<Box<RawValue>>>) =
            (raw(&subject.identity), subject.session.as_deref().map(raw));
        let (scps, rcps) = (levels(&subject.scps), levels(&target.rcps));
        let case = Case {
            principal: subject.principal.arn(),
            role_arn: subject.role_arn.as_deref(),
            principal_id: subject.principal_id.as_deref(),
            issuer: subject.issuer.as_deref(),
            action,
            resource: &target.resource,
            key_policy: target.policy.as_ref().map(|titled| &*titled.text),
            identity_policies: identity.iter().map(|text| &**text).collect(),
            boundary: subject.boundary.as_ref().map(|titled| &*titled.text),
            session_policy: session
                .as_ref()
                .map(|texts| texts.iter().map(|text| &**text).collect()),
            scps: borrowed(&scps),
            rcps: borrowed(&rcps),
            grants,
            context,
        };
        let line = serde_json::to_vec(&case).map_err(|error| Internal::new(error.to_string()))?;
        Ok(Written {
            line,
            titles: titles(subject, target),
        })
    }

    async fn grant_case(&self, record: &GrantRecord) -> Result<GrantCase, KeywardFault> {
        let mut case = GrantCase {
            grantee: self.shown_party(&record.grantee).await?,
            operations: record
                .terms
                .operations
                .iter()
                .map(|op| op.as_str())
                .collect(),
            encryption_context_equals: None,
            encryption_context_subset: None,
            source_arn: record.terms.constraint.source_arn.clone(),
            retiring_principal: None,
            issuing_account: record.issuing_account.to_string(),
        };
        let pairs = record.terms.constraint.pairs().iter().cloned().collect();
        match &record.terms.constraint.context {
            ContextConstraint::None => {}
            ContextConstraint::Equals(_) => case.encryption_context_equals = Some(pairs),
            ContextConstraint::Subset(_) => case.encryption_context_subset = Some(pairs),
        }
        if let Some(retiring) = &record.retiring {
            case.retiring_principal = Some(self.shown_party(retiring).await?);
        }
        Ok(case)
    }
}

impl Target {
    /// Something without a policy of its own: `*`, an alias, a resource of IAM.
    pub fn without_policy(resource: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            policy: None,
            key: None,
            context: BTreeMap::new(),
            rcps: Vec::new(),
        }
    }

    /// A role, which its trust policy lets be assumed.
    pub(super) fn role(role: &RoleUnit, shown: &str) -> Result<Self, KeywardFault> {
        let mut target = Self::without_policy(role.arn());
        let title = format!("the trust policy of the role \"{}\"", role.record().name);
        target.policy = Some(Titled::new(title, shown)?);
        for tag in &role.record().tags {
            target.give(
                &format!("aws:ResourceTag/{}", tag.key),
                Value::from(tag.value.as_str()),
            );
        }
        Ok(target)
    }

    fn give(&mut self, key: &str, value: Value) {
        self.context.insert(key.to_owned(), value);
    }
}

impl Subject {
    /// The unique id of the user, or of the role.
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.as_deref()
    }

    fn add_inline(
        &mut self,
        owner: &str,
        policies: &BTreeMap<String, String>,
    ) -> Result<(), KeywardFault> {
        for (name, text) in policies {
            let title = format!("inline policy \"{name}\" of {owner}");
            self.identity.push(Titled::new(title, text)?);
        }
        Ok(())
    }
}

fn plain(principal: Principal) -> Subject {
    Subject {
        principal,
        principal_id: None,
        role_arn: None,
        issuer: None,
        tags: Vec::new(),
        identity: Vec::new(),
        boundary: None,
        session: None,
        scps: Vec::new(),
        org: None,
    }
}

fn tags(tags: &[keyward_types::tag::Tag]) -> Vec<(String, String)> {
    let pairs = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
    pairs.collect()
}

/// What a key itself says.
fn key_context(record: &KeyRecord) -> BTreeMap<String, Value> {
    let mut context = BTreeMap::new();
    for (name, value) in [
        ("kms:KeySpec", record.spec.as_str()),
        ("kms:KeyUsage", record.usage.as_str()),
        ("kms:KeyOrigin", record.origin.as_str()),
    ] {
        context.insert(name.to_owned(), Value::from(value));
    }
    let multi_region = record.id.is_multi_region();
    context.insert("kms:MultiRegion".to_owned(), Value::from(multi_region));
    let aliases: Vec<&str> = record.aliases.iter().map(|alias| alias.as_str()).collect();
    if !aliases.is_empty() {
        context.insert("kms:ResourceAliases".to_owned(), Value::from(aliases));
    }
    for tag in &record.tags {
        let name = format!("aws:ResourceTag/{}", tag.key);
        context.insert(name, Value::from(tag.value.as_str()));
    }
    context
}

/// What a request has when it says nothing else.
fn defaults(action: &str) -> Vec<(String, Value)> {
    let action = action.to_ascii_lowercase();
    let given = match action.as_str() {
        "kms:encrypt"
        | "kms:decrypt"
        | "kms:reencryptfrom"
        | "kms:reencryptto"
        | "kms:generatedatakey"
        | "kms:generatedatakeywithoutplaintext" => {
            ("kms:EncryptionAlgorithm", Value::from("SYMMETRIC_DEFAULT"))
        }
        "kms:creategrant" | "kms:listgrants" | "kms:revokegrant" => {
            ("kms:GrantIsForAWSResource", Value::from("false"))
        }
        "kms:getkeypolicy" | "kms:putkeypolicy" => ("kms:PolicyName", Value::from("default")),
        "kms:enablekeyrotation" => ("kms:RotationPeriodInDays", Value::from(365)),
        "kms:schedulekeydeletion" => (
            "kms:ScheduleKeyDeletionPendingWindowInDays",
            Value::from(30),
        ),
        _ => return Vec::new(),
    };
    vec![(given.0.to_owned(), given.1)]
}

fn borrowed(levels: &[Vec<Box<RawValue>>]) -> Vec<Vec<&RawValue>> {
    levels
        .iter()
        .map(|texts| texts.iter().map(|text| &**text).collect())
        .collect()
}

/// What the policies of a case are called, by their places in it.
fn titles(subject: &Subject, target: &Target) -> Vec<(String, String)> {
    let mut titles = Vec::new();
    let mut add = |place: String, titled: &Titled| titles.push((place, titled.title.clone()));
    if let Some(policy) = &target.policy {
        add("keyPolicy".to_owned(), policy);
    }
    for (index, policy) in subject.identity.iter().enumerate() {
        add(format!("identityPolicies[{index}]"), policy);
    }
    if let Some(boundary) = &subject.boundary {
        add("boundary".to_owned(), boundary);
    }
    for (index, policy) in subject.session.iter().flatten().enumerate() {
        let place = match index {
            0 => "sessionPolicy".to_owned(),
            _ => format!("sessionPolicy[{index}]"),
        };
        add(place, policy);
    }
    for (name, levels) in [("scps", &subject.scps), ("rcps", &target.rcps)] {
        for (level, policies) in levels.iter().enumerate() {
            for (index, policy) in policies.iter().enumerate() {
                add(format!("{name}[{level}][{index}]"), policy);
            }
        }
    }
    titles
}

/// The partition and account of a home, for messages.
pub(super) fn shown_home((partition, account): (Partition, AccountId)) -> String {
    format!("arn:{partition}:iam::{account}:root")
}
