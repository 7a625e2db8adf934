//! A line of JSON read as a case.

use std::borrow::Cow;

use keyward_types::{account::AccountId, arn::ArnParts, partition::Partition};

use super::{
    MAX_CASE,
    grants::GrantCase,
    principal::{Identity, Named},
    value::Value,
};
use crate::{
    decision::DecisionType,
    json::{
        Json,
        raw::{self, NotMembers},
    },
    policy::Policy,
    request::Resource,
};

/// A case; its policies are still texts.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) identity: Identity,
    pub(super) action: Cow<'a, str>,
    pub(super) resource: CaseResource,
    pub(super) key_policy: Option<&'a str>,
    pub(super) identity_policies: Vec<&'a str>,
    pub(super) boundary: Option<&'a str>,
    pub(super) session: Option<Vec<&'a str>>,
    pub(super) scps: Vec<Vec<&'a str>>,
    pub(super) rcps: Vec<Vec<&'a str>>,
    pub(super) grants: Vec<GrantCase>,
    pub(super) context: Vec<(String, Value)>,
    pub(super) expect: Option<DecisionType>,
}

/// What a line is instead of a case.
#[derive(Debug, Default)]
pub(super) struct Malformed {
    pub(super) id: Option<String>,
    pub(super) errors: Vec<String>,
    pub(super) expect: Option<DecisionType>,
}

impl<'a> Case<'a> {
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Malformed> {
        let mut errors = Vec::new();
        let mut members = Members::default();
        let mut case = None;
        match lines_members(line) {
            Ok(found) => {
                for (name, value) in found {
                    if let Err(what) = members.take(&name, value) {
                        errors.push(what);
                    }
                }
                case = members.finish(&mut errors);
            }
            Err(what) => errors.push(what),
        }
        match case {
            Some(case) if errors.is_empty() => Ok(case),
            Some(_) | None => Err(Malformed {
                id: members.id.map(Cow::into_owned),
                errors,
                expect: members.expect,
            }),
        }
    }
}

fn lines_members(line: &[u8]) -> Result<raw::Members<'_>, String> {
    if line.len() > MAX_CASE {
        return Err(format!("the line is longer than {MAX_CASE} bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    raw::members(text).map_err(|what| match what {
        NotMembers::Json => "the line is not JSON".to_owned(),
        NotMembers::Object => "a case must be a JSON object".to_owned(),
        NotMembers::Twice(name) => format!("{name} occurs twice"),
    })
}

/// The members of a case, as far as they are read.
#[derive(Debug, Default)]
struct Members<'a> {
    id: Option<Cow<'a, str>>,
    principal: Option<Cow<'a, str>>,
    action: Option<Cow<'a, str>>,
    resource: Option<Cow<'a, str>>,
    resource_account: Option<AccountId>,
    role_arn: Option<Cow<'a, str>>,
    principal_id: Option<Cow<'a, str>>,
    issuer: Option<Cow<'a, str>>,
    service_linked: Option<bool>,
    key_policy: Option<&'a str>,
    identity_policies: Vec<&'a str>,
    boundary: Option<&'a str>,
    session: Option<Vec<&'a str>>,
    scps: Vec<Vec<&'a str>>,
    rcps: Vec<Vec<&'a str>>,
    grants: Vec<GrantCase>,
    context: Vec<(String, Value)>,
    expect: Option<DecisionType>,
}

impl<'a> Members<'a> {
    fn take(&mut self, name: &str, value: &'a str) -> Result<(), String> {
        let known = MEMBERS.contains(&name);
        if !known {
            return Err(format!("{name:?} is not a member of a case"));
        }
        // What may be left out may also be null.
        if value == "null" && !["principal", "action", "resource"].contains(&name) {
            return Ok(());
        }
        let text = || raw::string(value).ok_or_else(|| format!("{name} must be a string"));
        match name {
            "id" => self.id = Some(text()?),
            "principal" => self.principal = Some(text()?),
            "action" => self.action = Some(text()?),
            "resource" => self.resource = Some(text()?),
            "roleArn" => self.role_arn = Some(text()?),
            "principalId" => self.principal_id = Some(text()?),
            "issuer" => self.issuer = Some(text()?),
            "serviceLinkedRole" => {
                self.service_linked = Some(match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err("serviceLinkedRole must be true or false".to_owned()),
                });
            }
            "resourceAccount" => {
                let account = AccountId::parse(&text()?);
                self.resource_account =
                    Some(account.map_err(|_| "resourceAccount must be twelve digits")?);
            }
            "expect" => {
                let expected = DecisionType::parse(&text()?);
                self.expect =
                    Some(expected.ok_or("expect must be Allow, ImplicitDeny or ExplicitDeny")?);
            }
            "keyPolicy" => self.key_policy = Some(object(name, value)?),
            "boundary" => self.boundary = Some(object(name, value)?),
            "sessionPolicy" => {
                self.session = Some(if value.starts_with('[') {
                    objects(name, value)?
                } else {
                    vec![object(name, value)?]
                });
            }
            "identityPolicies" => self.identity_policies = objects(name, value)?,
            "scps" => self.scps = levels(name, value)?,
            "rcps" => self.rcps = levels(name, value)?,
            "grants" => self.grants = read_grants(value)?,
            "context" => self.context = read_context(value)?,
            // `comment`: for whoever reads the case.
            _ => {
                Json::parse(value).ok_or_else(|| format!("{name} is not JSON"))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, errors: &mut Vec<String>) -> Option<Case<'a>> {
        let mut present = |name: &str, given: bool| {
            let unread = format!("{name} must be a string");
            if !given && !errors.contains(&unread) {
                errors.push(format!("{name} is missing"));
            }
        };
        present("principal", self.principal.is_some());
        present("action", self.action.is_some());
        present("resource", self.resource.is_some());
        let (principal, action, resource) = (
            self.principal.as_deref()?,
            self.action.clone()?,
            self.resource.as_deref()?,
        );
        let named = Named {
            principal,
            role_arn: self.role_arn.as_deref(),
            principal_id: self.principal_id.as_deref(),
            issuer: self.issuer.as_deref(),
            service_linked: self.service_linked,
        };
        let mut note = |what: String| errors.push(what);
        let identity = Identity::read(named).map_err(&mut note).ok()?;
        if !is_action(&action) {
            note("action must be SERVICE:NAME, without wildcards".to_owned());
        }
        let region = requested_region(&self.context);
        let target =
            CaseResource::read(resource, &action, self.resource_account, &identity, region);
        let resource = target.map_err(&mut note).ok()?;
        Some(Case {
            id: self.id.clone(),
            identity,
            action,
            resource,
            key_policy: self.key_policy,
            identity_policies: std::mem::take(&mut self.identity_policies),
            boundary: self.boundary,
            session: self.session.take(),
            scps: std::mem::take(&mut self.scps),
            rcps: std::mem::take(&mut self.rcps),
            grants: std::mem::take(&mut self.grants),
            context: std::mem::take(&mut self.context),
            expect: self.expect,
        })
    }
}

const MEMBERS: &[&str] = &[
    "id",
    "principal",
    "action",
    "resource",
    "resourceAccount",
    "keyPolicy",
    "identityPolicies",
    "boundary",
    "sessionPolicy",
    "scps",
    "rcps",
    "roleArn",
    "principalId",
    "issuer",
    "serviceLinkedRole",
    "grants",
    "context",
    "expect",
    "comment",
];

fn object<'a>(name: &str, value: &'a str) -> Result<&'a str, String> {
    let is_object = value.starts_with('{');
    is_object
        .then_some(value)
        .ok_or_else(|| format!("{name} must be a policy, a JSON object"))
}

fn objects<'a>(name: &str, value: &'a str) -> Result<Vec<&'a str>, String> {
    let wrong = || format!("{name} must be a list of policies");
    let items = raw::items(value).ok_or_else(wrong)?;
    let all = items.iter().all(|item| item.starts_with('{'));
    all.then_some(items).ok_or_else(wrong)
}

fn levels<'a>(name: &str, value: &'a str) -> Result<Vec<Vec<&'a str>>, String> {
    let wrong = || format!("{name} must be a list of levels, each a list of policies");
    let levels = raw::items(value).ok_or_else(wrong)?;
    let levels = levels.into_iter().map(|level| objects(name, level));
    levels.collect::<Result<_, _>>().map_err(|_| wrong())
}

fn read_grants(value: &str) -> Result<Vec<GrantCase>, String> {
    let items = raw::items(value).ok_or("grants must be a list of grants")?;
    let grants = items.into_iter().enumerate();
    grants
        .map(|(index, item)| {
            GrantCase::read(item).map_err(|what| format!("grants[{index}]: {what}"))
        })
        .collect()
}

fn read_context(value: &str) -> Result<Vec<(String, Value)>, String> {
    let Some(Json::Object(members)) = Json::parse(value) else {
        return Err("context must be an object of condition keys, with each key once".to_owned());
    };
    members
        .into_iter()
        .map(|(name, value)| match Value::read(value) {
            Some(value) => Ok((name, value)),
            None => Err(format!(
                "context: {name:?} must be a string, a number, a boolean, or a list of those"
            )),
        })
        .collect()
}

fn requested_region(context: &[(String, Value)]) -> Option<&str> {
    let mut regions = context
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("aws:RequestedRegion"));
    match regions.next() {
        Some((_, Value::One(region))) => Some(region),
        Some((_, Value::Many(_))) | None => None,
    }
}

fn is_action(text: &str) -> bool {
    let word = |text: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        !text.is_empty() && text.bytes().all(legal)
    };
    text.split_once(':')
        .is_some_and(|(service, name)| word(service) && word(name))
}

/// What the action is done to.
#[derive(Debug)]
pub(super) struct CaseResource {
    /// What Resource elements are compared with.
    pub(super) arn: String,
    pub(super) partition: Partition,
    pub(super) account: AccountId,
    /// The Region that the ARN names.
    pub(super) region: Option<String>,
    pub(super) kind: CaseResourceKind,
}

/// What kind of thing a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaseResourceKind {
    /// A KMS key: its policy and grants decide.
    Key,
    /// An alias: it has no policy.
    Alias,
    /// No single resource.
    Account,
    /// An IAM role: its policy is a trust policy.
    Role,
    /// A file system of EFS: its policy can allow callers whom identity policies do not allow.
    FileSystem,
    /// Anything else.
    Other,
}

/// The actions of KMS that no key is authorized for.
const KEYLESS: &[&str] = &[
    "kms:ConnectCustomKeyStore",
    "kms:CreateCustomKeyStore",
    "kms:CreateKey",
    "kms:DeleteCustomKeyStore",
    "kms:DescribeCustomKeyStores",
    "kms:DisconnectCustomKeyStore",
    "kms:GenerateRandom",
    "kms:ListAliases",
    "kms:ListKeys",
    "kms:ListRetirableGrants",
    "kms:UpdateCustomKeyStore",
];

impl CaseResource {
    fn read(
        text: &str,
        action: &str,
        account: Option<AccountId>,
        identity: &Identity,
        region: Option<&str>,
    ) -> Result<Self, String> {
        const FORMS: &str = "resource must be an ARN or \"*\"";
        let caller = identity.place();
        let keyless = KEYLESS.iter().any(|one| one.eq_ignore_ascii_case(action));
        if text == "*" {
            let partition = caller.map_or(Partition::Aws, |(partition, _)| partition);
            let own = caller.map(|(_, account)| account);
            let account = account.or(own).ok_or("resourceAccount is missing")?;
            let at = region.unwrap_or("us-east-1");
            return Ok(Self {
                arn: format!("arn:{partition}:kms:{at}:{account}:*"),
                partition,
                account,
                region: region.map(str::to_owned),
                kind: CaseResourceKind::Account,
            });
        }
        let parts = ArnParts::parse(text).ok_or(FORMS)?;
        let partition = Partition::parse(parts.partition).ok_or(FORMS)?;
        let named = AccountId::parse(parts.account).ok();
        let own = caller.map(|(_, account)| account);
        let account = account
            .or(named)
            .or(own)
            .ok_or("resourceAccount is missing")?;
        let kind = match (parts.service, parts.resource) {
            ("kms", _) if keyless => CaseResourceKind::Account,
            ("kms", "*") => CaseResourceKind::Account,
            ("kms", resource) if resource.starts_with("key/") => CaseResourceKind::Key,
            ("kms", resource) if resource.starts_with("alias/") => CaseResourceKind::Alias,
            ("iam", resource) if resource.starts_with("role/") => CaseResourceKind::Role,
            ("elasticfilesystem", resource) if resource.starts_with("file-system/") => {
                CaseResourceKind::FileSystem
            }
            _ => CaseResourceKind::Other,
        };
        if kind != CaseResourceKind::Other && named.is_none() {
            return Err("resource has no account: add resourceAccount".to_owned());
        }
        let region = Some(parts.region).filter(|region| !region.is_empty());
        let arn = match kind {
            CaseResourceKind::Account => {
                let at = parts.region;
                format!("arn:{partition}:kms:{at}:{account}:*")
            }
            CaseResourceKind::Key
            | CaseResourceKind::Alias
            | CaseResourceKind::Role
            | CaseResourceKind::FileSystem
            | CaseResourceKind::Other => text.to_owned(),
        };
        Ok(Self {
            arn,
            partition,
            account,
            region: region.map(str::to_owned),
            kind,
        })
    }

    /// The resource with its own policy.
    pub(super) fn resource<'r>(&'r self, own: Option<&'r Policy>) -> Resource<'r> {
        let Self {
            arn,
            partition,
            account,
            ..
        } = self;
        match (self.kind, own) {
            (CaseResourceKind::Key, own) => Resource::guarded(arn, *partition, *account, own),
            (CaseResourceKind::FileSystem, Some(own)) => {
                Resource::shared(arn, *partition, *account, own)
            }
            (CaseResourceKind::Role | CaseResourceKind::Other, Some(own)) => {
                Resource::guarded(arn, *partition, *account, Some(own))
            }
            (CaseResourceKind::Account, _) => Resource::account_wide(arn, *partition, *account),
            (
                CaseResourceKind::Alias
                | CaseResourceKind::Role
                | CaseResourceKind::FileSystem
                | CaseResourceKind::Other,
                _,
            ) => Resource::identity_only(arn, *partition, *account),
        }
    }
}
