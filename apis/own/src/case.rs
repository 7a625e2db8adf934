//! What the policies say today, as a case (`docs/policy-cases.md`): who asks, with every policy and
//! grant that applies to it. The same evaluator decides it that decides cases without a server, and
//! that the pipeline uses.

mod grants;
mod subject;

use std::collections::BTreeMap;

use keyward_api_kms::units::{KeyRecord, KeyUnit};
use keyward_engine::{api::Facts, directory::units::identity::RoleUnit, fault::Internal};
use keyward_types::{
    account::AccountId,
    key_id::KeyArn,
    partition::Partition,
    principal::{Principal, PrincipalKind},
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
pub(crate) use subject::plain;

use crate::{Cx, fault::KeywardFault};

/// A policy with its name.
#[derive(Clone, Debug)]
pub struct Titled {
    /// Such as `inline policy "p" of the user "alice"`.
    pub title: String,
    text: Box<RawValue>,
}

/// A possible caller, with its policies.
#[derive(Clone, Debug)]
pub struct CaseCaller {
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

/// What the question is about.
#[derive(Clone, Debug)]
pub struct CaseResource {
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
    service_linked_role: Option<bool>,
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

/// A case with the names of its policies.
#[derive(Debug)]
pub struct Written {
    /// The line.
    pub line: Vec<u8>,
    /// Place in the case and title, in the case's order.
    pub titles: Vec<(String, String)>,
}

impl Titled {
    pub(super) fn new(title: String, text: &str) -> Result<Self, KeywardFault> {
        // The text stays as it was written, so that line numbers can be shown.
        let text = RawValue::from_string(text.trim().to_owned())
            .map_err(|error| Internal::new(error.to_string()))?;
        Ok(Self { title, text })
    }
}

impl Cx<'_> {
    /// A key of this account and Region.
    pub(super) async fn target_key(&self, unit: &KeyUnit) -> Result<CaseResource, KeywardFault> {
        let record = unit.record();
        let arn = unit.arn();
        let shown = self.kms().policy_for_display(record).await?;
        let title = format!("the key policy of {}", record.id);
        let mut target = CaseResource {
            resource: arn.to_string(),
            policy: Some(Titled::new(title, &shown)?),
            key: Some(arn.clone()),
            context: key_context(record),
            rcps: Vec::new(),
        };
        // None apply to AWS managed keys and to the management account's keys.
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

    /// Writes the case: the subject, the action, the target, with more condition values.
    pub(super) async fn write_case(
        &self,
        subject: &CaseCaller,
        action: &str,
        target: &CaseResource,
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
            Value::from(self.now.iso8601().as_str()),
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
            // A given value replaces the one that would follow, ignoring case.
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
            service_linked_role: service_linked(&subject.principal),
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
}

impl CaseResource {
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

    /// A resource whose API says what decisions about it depend on.
    pub(super) fn with_facts(resource: &str, facts: &Facts) -> Result<Self, KeywardFault> {
        let mut target = Self::without_policy(resource);
        if let Some((title, text)) = &facts.policy {
            target.policy = Some(Titled::new(title.clone(), text)?);
        }
        for tag in &facts.tags {
            target.give(
                &format!("aws:ResourceTag/{}", tag.key),
                Value::from(tag.value.as_str()),
            );
        }
        for (name, value) in &facts.values {
            target.give(name, Value::from(value.as_str()));
        }
        Ok(target)
    }

    fn give(&mut self, key: &str, value: Value) {
        self.context.insert(key.to_owned(), value);
    }
}

/// The condition values of a key.
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

/// The default values of a request.
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

/// Whether a session is of a service-linked role, which a case may say of sessions alone.
fn service_linked(principal: &Principal) -> Option<bool> {
    match principal.kind() {
        PrincipalKind::RoleSession { service_linked, .. } => Some(*service_linked),
        PrincipalKind::Root
        | PrincipalKind::User { .. }
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::WebIdentity { .. }
        | PrincipalKind::Anonymous
        | PrincipalKind::Service { .. } => None,
    }
}

/// What the policies of a case are called, by their places in it.
fn titles(subject: &CaseCaller, target: &CaseResource) -> Vec<(String, String)> {
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
