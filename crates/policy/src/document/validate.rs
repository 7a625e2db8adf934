//! What a text must be to be stored as a policy of its kind, with AWS's messages if it is not.
//!
//! IAM checks in this order: syntax, version, its older parser, Sids, actions, resources.

use std::collections::BTreeSet;

use keyward_types::{arn::ArnParts, partition::Partition};

use crate::{
    condition::{
        is_date,
        operator::{Base, Quantifier},
    },
    document::{
        ConditionText, Document, Effect, Listed, MalformedPolicy, PolicyError, PolicyKind,
        PolicyTooLong, PrincipalType, Statement, principal,
    },
    pattern::Glob,
    principal::PrincipalRef,
    variable::Template,
    work::Work,
};

/// The most characters of any text: what the models of KMS and IAM take in a parameter.
pub const MAX_TEXT: usize = 131_072;
/// The most characters other than white space of one user's inline policies together.
pub const USER_INLINE: usize = 2048;
/// The most characters other than white space of one group's inline policies together.
pub const GROUP_INLINE: usize = 5120;
/// The most characters other than white space of one role's inline policies together.
pub const ROLE_INLINE: usize = 10_240;

/// Length and characters, before anything is read.
pub(crate) fn check_text(text: &str, kind: PolicyKind) -> Result<(), PolicyError> {
    let legal = |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
    if !text.chars().all(legal) {
        return Err(PolicyError::Characters);
    }
    let (quota, limit) = match kind {
        PolicyKind::Key => ("KeyPolicySize", 32_768),
        PolicyKind::Identity => ("PolicySize", ROLE_INLINE),
        PolicyKind::ManagedIdentity | PolicyKind::Boundary => ("PolicySize", 6144),
        PolicyKind::Session => ("SessionPolicySize", 2048),
        PolicyKind::Trust => ("ACLSizePerRole", 8192),
        PolicyKind::Scp => ("PolicySize", 10_240),
        PolicyKind::Rcp => ("PolicySize", 5120),
        PolicyKind::Endpoint => ("PolicySize", 20_480),
        PolicyKind::FileSystem => ("PolicySize", 20_000),
    };
    let size = match kind {
        PolicyKind::Key => text.len(),
        // IAM alone does not count white space.
        PolicyKind::Session
        | PolicyKind::Scp
        | PolicyKind::Rcp
        | PolicyKind::Endpoint
        | PolicyKind::FileSystem => text.chars().count(),
        PolicyKind::Identity
        | PolicyKind::ManagedIdentity
        | PolicyKind::Boundary
        | PolicyKind::Trust => Document::size(text),
    };
    if size > limit || text.chars().count() > MAX_TEXT {
        return Err(PolicyTooLong { quota, limit }.into());
    }
    Ok(())
}

/// AWS's message for a text whose structure is wrong.
pub(crate) fn syntax_error(kind: PolicyKind) -> MalformedPolicy {
    if kind == PolicyKind::Trust {
        MalformedPolicy::Json
    } else {
        MalformedPolicy::Syntax
    }
}

/// Which kinds have an `Id`.
pub(crate) fn admits_id(kind: PolicyKind) -> bool {
    match kind {
        PolicyKind::Key
        | PolicyKind::Trust
        | PolicyKind::Endpoint
        | PolicyKind::FileSystem
        | PolicyKind::Identity
        | PolicyKind::ManagedIdentity
        | PolicyKind::Boundary
        | PolicyKind::Session => true,
        PolicyKind::Scp | PolicyKind::Rcp => false,
    }
}

/// Which kinds have principals.
pub(crate) fn admits_principals(kind: PolicyKind) -> bool {
    match kind {
        PolicyKind::Key
        | PolicyKind::Trust
        | PolicyKind::Endpoint
        | PolicyKind::FileSystem
        | PolicyKind::Rcp => true,
        PolicyKind::Identity
        | PolicyKind::ManagedIdentity
        | PolicyKind::Boundary
        | PolicyKind::Session
        | PolicyKind::Scp => false,
    }
}

/// Which kinds IAM's own checks are for.
pub(crate) fn is_iam(kind: PolicyKind) -> bool {
    match kind {
        PolicyKind::Identity
        | PolicyKind::ManagedIdentity
        | PolicyKind::Boundary
        | PolicyKind::Session
        | PolicyKind::Scp
        | PolicyKind::Rcp => true,
        PolicyKind::Key | PolicyKind::Trust | PolicyKind::Endpoint | PolicyKind::FileSystem => {
            false
        }
    }
}

/// Everything that the structure does not show, in AWS's order.
pub(crate) fn check(document: &Document) -> Result<(), MalformedPolicy> {
    let kind = document.kind();
    check_variables(document)?;
    match kind {
        PolicyKind::Key | PolicyKind::Endpoint | PolicyKind::FileSystem => {
            each(document, |s| check_resource_policy(s, kind))
        }
        PolicyKind::Trust => each(document, check_trust),
        PolicyKind::Identity
        | PolicyKind::ManagedIdentity
        | PolicyKind::Boundary
        | PolicyKind::Session
        | PolicyKind::Scp
        | PolicyKind::Rcp => {
            if !document.has_variables() {
                return Err(MalformedPolicy::Version);
            }
            each(document, check_legacy)?;
            each(document, check_sid)?;
            check_unique_sids(document)?;
            each(document, |s| {
                has_values(&s.actions, MalformedPolicy::NoActions)
            })?;
            each(document, |s| {
                has_values(&s.resources, MalformedPolicy::NoResources)
            })?;
            each(document, check_resources)?;
            if !matches!(kind, PolicyKind::Scp | PolicyKind::Rcp) {
                each(document, check_services)?;
            }
            each(document, check_vendors)?;
            if kind == PolicyKind::Rcp {
                each(document, check_rcp)?;
            }
            Ok(())
        }
    }
}

fn each(
    document: &Document,
    check: impl Fn(&Statement) -> Result<(), MalformedPolicy>,
) -> Result<(), MalformedPolicy> {
    document.statements.iter().try_for_each(check)
}

fn has_values(
    listed: &Option<Listed<String>>,
    missing: MalformedPolicy,
) -> Result<(), MalformedPolicy> {
    match listed {
        Some(listed) if !listed.values.is_empty() => Ok(()),
        Some(_) | None => Err(missing),
    }
}

/// A variable must be closed where variables count, lest a statement silently never match.
fn check_variables(document: &Document) -> Result<(), MalformedPolicy> {
    let malformed = |text: &String| Template::parse(text, document.has_variables()).is_err();
    each(document, |statement| {
        let resources = statement.resources.iter().flat_map(|l| &l.values);
        let values = statement
            .conditions
            .iter()
            .filter(|condition| takes_variables(condition.operator.base))
            .flat_map(|condition| &condition.values);
        if resources.chain(values).any(malformed) {
            return Err(syntax_error(document.kind()));
        }
        Ok(())
    })
}

pub(crate) fn takes_variables(base: Base) -> bool {
    match base {
        Base::StringEquals
        | Base::StringEqualsIgnoreCase
        | Base::StringLike
        | Base::Arn
        | Base::Bool => true,
        Base::Numeric(_) | Base::Date(_) | Base::Binary | Base::Ip | Base::Null | Base::Unknown => {
            false
        }
    }
}

fn check_resource_policy(statement: &Statement, kind: PolicyKind) -> Result<(), MalformedPolicy> {
    let Some(principals) = &statement.principals else {
        return Err(MalformedPolicy::NoPrincipal);
    };
    if principals.values.is_empty() {
        return Err(MalformedPolicy::NoPrincipal);
    }
    if principals
        .values
        .iter()
        .any(|(kind, text)| principal(*kind, text).is_none())
    {
        return Err(MalformedPolicy::InvalidPrincipals);
    }
    // A statement of a key policy without actions or resources is stored and has no effect.
    let optional = kind == PolicyKind::Key;
    if !optional || statement.actions.is_some() {
        has_values(&statement.actions, MalformedPolicy::NoActions)?;
    }
    // In the policy of a file system, no resource means the file system.
    let optional = optional || kind == PolicyKind::FileSystem;
    if !optional || statement.resources.is_some() {
        has_values(&statement.resources, MalformedPolicy::NoResources)?;
    }
    check_vendors(statement).map_err(|_| MalformedPolicy::Syntax)?;
    if matches!(kind, PolicyKind::Endpoint | PolicyKind::FileSystem) {
        return check_resources(statement);
    }
    // What names another resource than the key is stored and matches nothing.
    check_resources(statement).map_err(|_| MalformedPolicy::InvalidResources)?;
    check_overly_permissive(statement)
}

fn check_overly_permissive(statement: &Statement) -> Result<(), MalformedPolicy> {
    for condition in &statement.conditions {
        if statement.effect != Effect::Allow
            || condition.operator.quantifier != Quantifier::ForAllValues
        {
            continue;
        }
        let key = condition.key.to_lowercase();
        if key.starts_with("kms:encryptioncontext:") {
            return Err(MalformedPolicy::OverlyPermissiveContext);
        }
        if key.starts_with("aws:requesttag/") {
            return Err(MalformedPolicy::OverlyPermissiveTag);
        }
    }
    Ok(())
}

fn check_trust(statement: &Statement) -> Result<(), MalformedPolicy> {
    let Some(principals) = &statement.principals else {
        return Err(MalformedPolicy::Missing { field: "Principal" });
    };
    if principals.negated {
        let field = "NotPrincipal";
        return Err(MalformedPolicy::Prohibited { field });
    }
    if principals.values.is_empty() {
        return Err(MalformedPolicy::Missing { field: "Principal" });
    }
    for (kind, text) in &principals.values {
        if principal(*kind, text).is_none() {
            let word = match kind {
                PrincipalType::Aws => "AWS",
                PrincipalType::Service => "SERVICE",
                PrincipalType::Federated => return Err(MalformedPolicy::Federated),
                PrincipalType::CanonicalUser => "CANONICALUSER",
            };
            return Err(invalid_principal(PolicyKind::Trust, word, text));
        }
    }
    let missing = MalformedPolicy::Missing { field: "Action" };
    has_values(&statement.actions, missing)?;
    check_vendors(statement)?;
    let is_sts = |action: &String| {
        action
            .split_once(':')
            .is_some_and(|(vendor, _)| vendor.eq_ignore_ascii_case("sts"))
    };
    if statement.actions.iter().flat_map(|l| &l.values).all(is_sts) {
        Ok(())
    } else {
        Err(MalformedPolicy::NotAssumeRole)
    }
}

/// AWS's message for a principal that does not exist or is not valid.
pub(crate) fn invalid_principal(
    kind: PolicyKind,
    word: &'static str,
    principal: &str,
) -> MalformedPolicy {
    if kind == PolicyKind::Trust {
        let principal = principal.to_owned();
        MalformedPolicy::InvalidPrincipal { word, principal }
    } else {
        MalformedPolicy::InvalidPrincipals
    }
}

fn check_legacy(statement: &Statement) -> Result<(), MalformedPolicy> {
    // The older parser looks at ARNs of partitions that there are.
    let too_short = |text: &String| {
        let rest = text.strip_prefix("arn:");
        rest.and_then(|rest| rest.split_once(':'))
            .filter(|(partition, _)| is_partition(partition))
            .is_some_and(|(_, rest)| {
                rest.starts_with(':') || rest.contains("::") && rest.matches(':').count() < 3
            })
    };
    let bad_date = |condition: &ConditionText| {
        matches!(condition.operator.base, Base::Date(_))
            && !condition.values.iter().all(|text| is_date(text))
    };
    if statement
        .resources
        .iter()
        .flat_map(|l| &l.values)
        .any(too_short)
        || statement.conditions.iter().any(bad_date)
    {
        return Err(MalformedPolicy::LegacyParsing);
    }
    Ok(())
}

fn check_sid(statement: &Statement) -> Result<(), MalformedPolicy> {
    match &statement.sid {
        Some(sid) if !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(MalformedPolicy::Sid)
        }
        Some(_) | None => Ok(()),
    }
}

fn check_unique_sids(document: &Document) -> Result<(), MalformedPolicy> {
    let mut seen = BTreeSet::new();
    let sids = document.statements.iter().filter_map(|s| s.sid.as_deref());
    for sid in sids.filter(|sid| !sid.is_empty()) {
        if !seen.insert(sid) {
            return Err(MalformedPolicy::DuplicateSid);
        }
    }
    Ok(())
}

fn check_resources(statement: &Statement) -> Result<(), MalformedPolicy> {
    let resources = statement.resources.iter().flat_map(|l| &l.values);
    resources.map(String::as_str).try_for_each(check_resource)
}

fn check_resource(resource: &str) -> Result<(), MalformedPolicy> {
    if resource == "*" {
        return Ok(());
    }
    let text = || resource.to_owned();
    let Some((head, rest)) = resource.split_once(':') else {
        return Err(MalformedPolicy::Resource { resource: text() });
    };
    let (partition, rest) = rest.split_once(':').unwrap_or((rest, ""));
    if !is_partition(partition) {
        return Err(MalformedPolicy::Partition {
            partition: partition.to_owned(),
            resource: completed(resource),
        });
    }
    if head != "arn" {
        return Err(MalformedPolicy::Resource { resource: text() });
    }
    let vendor = rest.split(':').next().unwrap_or_default();
    if vendor.is_empty() || vendor.contains(['*', '?', '$']) {
        return Err(MalformedPolicy::ResourceVendor);
    }
    Ok(())
}

fn is_partition(text: &str) -> bool {
    let glob = Glob::parse(text);
    let mut known = Partition::ALL.iter();
    known.any(|known| glob.matches(known.as_str(), &Work::new(u64::MAX)))
}

/// A resource as IAM shows it: read as an ARN, with the missing parts.
fn completed(resource: &str) -> String {
    let rest = resource.split(':').skip(1);
    let missing = 5usize.saturating_sub(rest.clone().count());
    let parts = std::iter::once("arn").chain(rest);
    let parts: Vec<&str> = parts.chain(std::iter::repeat_n("*", missing)).collect();
    parts.join(":")
}

/// What IAM checks in the ARNs of single services.
fn check_services(statement: &Statement) -> Result<(), MalformedPolicy> {
    let resources = statement.resources.iter().flat_map(|l| &l.values);
    for resource in resources {
        let Some(parts) = ArnParts::parse(resource) else {
            continue;
        };
        match parts.service {
            "iam" if !parts.region.is_empty() => {
                let resource = resource.clone();
                return Err(MalformedPolicy::IamRegion { resource });
            }
            // A variable in the account would hold a colon of its own.
            "iam" if !parts.account.contains('$') && !is_iam_path(parts.resource) => {
                return Err(MalformedPolicy::IamPath);
            }
            // Access points do have a Region, and an account with it.
            "s3" if !parts.region.is_empty() && parts.account.is_empty() => {
                let resource = resource.clone();
                return Err(MalformedPolicy::S3Region { resource });
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_iam_path(path: &str) -> bool {
    const STARTS: &[&str] = &[
        "user/",
        "federated-user/",
        "role/",
        "group/",
        "instance-profile/",
        "mfa/",
        "server-certificate/",
        "policy/",
        "sms-mfa/",
        "saml-provider/",
        "oidc-provider/",
        "report/",
        "access-report/",
    ];
    matches!(path, "*" | "root") || STARTS.iter().any(|start| path.starts_with(start))
}

fn check_vendors(statement: &Statement) -> Result<(), MalformedPolicy> {
    let actions = statement.actions.iter().flat_map(|l| &l.values);
    for action in actions.filter(|action| *action != "*") {
        let (vendor, name) = action.split_once(':').ok_or(MalformedPolicy::NoVendor)?;
        if name.contains(':') {
            return Err(MalformedPolicy::TwoColons);
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if vendor.is_empty() || !vendor.bytes().all(legal) {
            let vendor = vendor.to_owned();
            return Err(MalformedPolicy::Vendor { vendor });
        }
    }
    // The text mentions conditions too, but IAM accepts a key without a service.
    Ok(())
}

fn check_rcp(statement: &Statement) -> Result<(), MalformedPolicy> {
    let everyone = |listed: &Listed<(PrincipalType, String)>| {
        !listed.negated
            && !listed.values.is_empty()
            && listed
                .values
                .iter()
                .all(|(kind, text)| principal(*kind, text) == Some(PrincipalRef::Everyone))
    };
    // Every action of one service may be named, but not every action of all.
    let named = |listed: &Listed<String>| {
        let all = |action: &String| action.chars().all(|c| c == '*');
        !listed.negated && !listed.values.iter().any(all)
    };
    let legal = statement.effect == Effect::Deny
        && statement.principals.as_ref().is_some_and(everyone)
        && statement.actions.as_ref().is_some_and(named);
    if legal {
        Ok(())
    } else {
        Err(MalformedPolicy::PolicyType)
    }
}
