//! Who a statement names, and how strongly that names a caller.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use std::collections::BTreeMap;

use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    principal::{Principal, PrincipalKind},
    region::Region,
    unique_id::{UniqueId, UniqueIdKind},
};
use serde::{Deserialize, Serialize};

/// How strongly an entry names a caller, weakest first. It decides what else the caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The caller's account: its identity policies decide.
    Account,
    /// What the caller is a session of: boundary and session policies limit.
    Base,
    /// The caller itself, or everybody.
    Exact,
}

/// A principal as a document writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalRef<'a> {
    /// `*`
    Everyone,
    /// The `…:root` ARN, or twelve digits, which name no partition.
    Account {
        /// The partition, if named.
        partition: Option<Partition>,
        /// The account.
        account: AccountId,
    },
    /// The ARN of an IAM user. Needs a binding to its unique id.
    User(&'a str),
    /// The ARN of a role. Needs a binding to its unique id.
    Role(&'a str),
    /// The ARN of one session of a role, which must exist in that account.
    Session {
        /// The session's ARN.
        arn: &'a str,
        /// The account.
        account: AccountId,
        /// The role's name, without path.
        role: &'a str,
    },
    /// The ARN of a federated user's session.
    FederatedUser(&'a str),
    /// The unique id of a user or role, as a stored policy shows it after its user or role was
    /// deleted. It must exist when the document is stored.
    Unique(UniqueId),
    /// An AWS service.
    Service(&'a str),
    /// An identity provider: everybody with a token of it. Only trust policies have these.
    Federated(&'a str),
    /// An S3 canonical user, which matches nobody.
    CanonicalUser(&'a str),
}

impl<'a> PrincipalRef<'a> {
    /// Reads a value under `AWS`. `None` if it is malformed or names what cannot be a principal.
    pub fn parse_aws(text: &'a str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everyone);
        }
        if let Ok(account) = AccountId::parse(text) {
            let partition = None;
            return Some(Self::Account { partition, account });
        }
        if let Ok(id) = UniqueId::parse(text) {
            let kind = id.kind()?;
            return matches!(kind, UniqueIdKind::User | UniqueIdKind::Role)
                .then_some(Self::Unique(id));
        }
        Self::parse_arn(text)
    }

    fn parse_arn(arn: &'a str) -> Option<Self> {
        let parts = ArnParts::parse(arn)?;
        let partition = Partition::parse(parts.partition)?;
        let account = AccountId::parse(parts.account).ok()?;
        if !parts.region.is_empty() || !arn.bytes().all(is_plain) {
            return None;
        }
        if parts.service == "iam" && parts.resource == "root" {
            return Some(Self::Account {
                partition: Some(partition),
                account,
            });
        }
        let (kind, name) = parts.resource.split_once('/')?;
        let last = name.rsplit('/').next().unwrap_or_default();
        if last.is_empty() {
            return None;
        }
        match (parts.service, kind) {
            ("iam", "user") => Some(Self::User(arn)),
            ("iam", "role") => Some(Self::Role(arn)),
            ("sts", "federated-user") => (name == last).then_some(Self::FederatedUser(arn)),
            ("sts", "assumed-role") => {
                let (role, session) = name.split_once('/')?;
                let whole = !role.is_empty() && !session.contains('/');
                whole.then_some(Self::Session { arn, account, role })
            }
            _ => None,
        }
    }

    /// Reads a value under `Service`: labels under a domain that AWS's services are in. Whether
    /// there is such a service is not asked here ([`crate::known::is_service`]).
    pub fn parse_service(text: &'a str) -> Option<Self> {
        service_labels(text).map(|_| Self::Service(text))
    }

    /// Reads a value under `Federated`: the domain name of a provider that AWS knows, or the ARN
    /// of an account's OpenID Connect or SAML provider.
    pub fn parse_federated(text: &'a str) -> Option<Self> {
        let of_account = |parts: ArnParts<'_>| {
            let named = match parts.resource.split_once('/') {
                Some(("oidc-provider" | "saml-provider", name)) => !name.is_empty(),
                Some(_) | None => false,
            };
            named
                && parts.service == "iam"
                && parts.region.is_empty()
                && Partition::parse(parts.partition).is_some()
                && AccountId::parse(parts.account).is_ok()
                && text.bytes().all(is_plain)
        };
        let valid = match ArnParts::parse(text) {
            Some(parts) => of_account(parts),
            None => is_domain(text),
        };
        valid.then_some(Self::Federated(text))
    }
}

/// The labels of a service principal before its domain, if the text is shaped like one.
pub(crate) fn service_labels(text: &str) -> Option<&str> {
    let legal =
        |label: &str| is_label(label) && !label.bytes().any(|byte| byte.is_ascii_uppercase());
    SERVICE_DOMAINS
        .iter()
        .find_map(|domain| text.strip_suffix(domain))
        .filter(|labels| labels.split('.').count() <= MOST_LABELS && labels.split('.').all(legal))
}

/// The most labels that the name of a service has before its domain, its Region included.
const MOST_LABELS: usize = 6;

/// A domain name: two labels or more.
fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').count() >= 2 && text.split('.').all(is_label)
}

/// A label of a domain name, also one with underscores within.
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = label.as_bytes();
    label.len() <= 63 && label.bytes().all(inner) && ends(bytes.first()) && ends(bytes.last())
}

/// What the names of services end in.
const SERVICE_DOMAINS: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".amazon.com",
    ".c2s.ic.gov",
    // Of Cloudera's control plane, which Keyward plays.
    ".cloudera.com",
    ".sc2s.sgov.gov",
];

/// Printable and no wildcard: nothing else is in the ARN of a principal.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"*?".contains(&byte)
}

/// Which unique id each user or role ARN of a document meant when it was stored. Kept beside the
/// text: the policy matches by id, so that a principal created again under an old name is a
/// stranger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bindings(BTreeMap<String, UniqueId>);

impl Bindings {
    /// No bindings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that the ARN means that id.
    pub fn bind(&mut self, arn: &str, id: UniqueId) {
        self.0.insert(arn.to_owned(), id);
    }

    /// What the ARN means.
    pub fn get(&self, arn: &str) -> Option<&UniqueId> {
        self.0.get(arn)
    }

    /// Every unique id, in the ARNs' order.
    pub fn ids(&self) -> impl Iterator<Item = &UniqueId> {
        self.0.values()
    }

    /// Every ARN with its id, in the ARNs' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &UniqueId)> {
        self.0.iter().map(|(arn, id)| (arn.as_str(), id))
    }
}

impl FromIterator<(String, UniqueId)> for Bindings {
    fn from_iter<I: IntoIterator<Item = (String, UniqueId)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// One entry compiled: what a grant names as its grantee, or a statement among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantee(Matcher);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Matcher {
    Everyone,
    Account(Option<Partition>, AccountId),
    Id(UniqueId),
    OwnArn(Box<str>),
    Service(Box<str>),
    Provider(Box<str>),
    Nobody,
}

impl Grantee {
    /// Compiles one entry. A user or role without binding matches nobody.
    pub fn compile(principal: &PrincipalRef<'_>, bindings: &Bindings) -> Self {
        Self(match principal {
            PrincipalRef::Everyone => Matcher::Everyone,
            PrincipalRef::Account { partition, account } => Matcher::Account(*partition, *account),
            PrincipalRef::User(arn) => bound(bindings, arn, UniqueIdKind::User),
            PrincipalRef::Role(arn) => bound(bindings, arn, UniqueIdKind::Role),
            PrincipalRef::Session { arn, .. } | PrincipalRef::FederatedUser(arn) => {
                Matcher::OwnArn((*arn).into())
            }
            PrincipalRef::Unique(id) => Matcher::Id(id.clone()),
            PrincipalRef::Service(name) => Matcher::Service((*name).into()),
            PrincipalRef::Federated(provider) => Matcher::Provider((*provider).into()),
            PrincipalRef::CanonicalUser(_) => Matcher::Nobody,
        })
    }

    /// How this entry names the caller, if it does.
    pub fn reaches(&self, caller: &Principal) -> Option<Class> {
        match &self.0 {
            Matcher::Everyone => Some(Class::Exact),
            Matcher::Account(partition, account) => {
                let same = caller.account() == Some(*account)
                    && partition.is_none_or(|partition| partition == caller.partition());
                // An identity provider is in an account, but its web identities are not among the
                // account's principals.
                (same && !is_outsider(caller)).then_some(Class::Account)
            }
            Matcher::Id(wanted) => match caller.kind() {
                PrincipalKind::User { id, .. } => (id == wanted).then_some(Class::Exact),
                PrincipalKind::RoleSession { role_id, .. } => {
                    (role_id == wanted).then_some(Class::Base)
                }
                PrincipalKind::FederatedUser { issuer, .. } => {
                    (issuer.as_ref() == Some(wanted)).then_some(Class::Base)
                }
                PrincipalKind::Root
                | PrincipalKind::WebIdentity { .. }
                | PrincipalKind::Anonymous
                | PrincipalKind::Service { .. } => None,
            },
            Matcher::OwnArn(arn) => match caller.kind() {
                PrincipalKind::RoleSession { .. } | PrincipalKind::FederatedUser { .. } => {
                    (caller.arn() == &**arn).then_some(Class::Exact)
                }
                PrincipalKind::Root
                | PrincipalKind::User { .. }
                | PrincipalKind::WebIdentity { .. }
                | PrincipalKind::Anonymous
                | PrincipalKind::Service { .. } => None,
            },
            Matcher::Provider(wanted) => match caller.kind() {
                PrincipalKind::WebIdentity { provider, .. } => {
                    (**provider == **wanted).then_some(Class::Exact)
                }
                PrincipalKind::Root
                | PrincipalKind::User { .. }
                | PrincipalKind::RoleSession { .. }
                | PrincipalKind::FederatedUser { .. }
                | PrincipalKind::Anonymous
                | PrincipalKind::Service { .. } => None,
            },
            Matcher::Service(wanted) => match caller.kind() {
                PrincipalKind::Service { name } => {
                    is_named_service(name, wanted).then_some(Class::Exact)
                }
                PrincipalKind::Root
                | PrincipalKind::User { .. }
                | PrincipalKind::RoleSession { .. }
                | PrincipalKind::FederatedUser { .. }
                | PrincipalKind::Anonymous
                | PrincipalKind::WebIdentity { .. } => None,
            },
            Matcher::Nobody => None,
        }
    }
}

fn bound(bindings: &Bindings, arn: &str, kind: UniqueIdKind) -> Matcher {
    match bindings.get(arn) {
        Some(id) if id.kind() == Some(kind) => Matcher::Id(id.clone()),
        Some(_) | None => Matcher::Nobody,
    }
}

/// The name without the Region of a service whose name has one.
pub(crate) fn general_name(name: &str) -> Option<String> {
    let mut labels = name.splitn(3, '.');
    let (service, region, domain) = (labels.next()?, labels.next()?, labels.next()?);
    Region::parse(region)
        .is_ok()
        .then(|| format!("{service}.{domain}"))
}

/// A service is called by its own name and, if that is a regional one, also by the one without
/// the Region.
fn is_named_service(name: &str, wanted: &str) -> bool {
    if name == wanted {
        return true;
    }
    let mut labels = name.splitn(3, '.');
    let (Some(service), Some(region), Some(domain)) = (labels.next(), labels.next(), labels.next())
    else {
        return false;
    };
    let rest = wanted
        .strip_prefix(service)
        .and_then(|rest| rest.strip_prefix('.'));
    rest == Some(domain) && Region::parse(region).is_ok()
}

/// Whether the caller is an AWS service on its own behalf.
pub(crate) fn is_service(caller: &Principal) -> bool {
    matches!(caller.kind(), PrincipalKind::Service { .. })
}

/// Whether the caller is not an account's principal: a service, a web identity, or an unknown
/// caller.
pub(crate) fn is_outsider(caller: &Principal) -> bool {
    matches!(
        caller.kind(),
        PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous
    )
}

/// Whether the caller is a session of a service-linked role, which organizations do not limit.
pub(crate) fn is_service_linked(caller: &Principal) -> bool {
    match caller.kind() {
        PrincipalKind::RoleSession { service_linked, .. } => *service_linked,
        PrincipalKind::Root
        | PrincipalKind::User { .. }
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::WebIdentity { .. }
        | PrincipalKind::Anonymous
        | PrincipalKind::Service { .. } => false,
    }
}

/// The principals of a compiled statement.
#[derive(Clone, Debug)]
pub(crate) enum Principals {
    /// The policy kind has no such element: it is about the identity that it is attached to.
    Bearer,
    /// `Principal`
    Named(Box<[Grantee]>),
    /// `NotPrincipal`
    Not(Box<[Grantee]>),
}

impl Principals {
    /// How the statement names the caller, if it does. `bounded`: the caller has a permissions
    /// boundary.
    pub(crate) fn reach(&self, caller: &Principal, bounded: bool, denies: bool) -> Option<Class> {
        match self {
            Self::Bearer => Some(Class::Exact),
            Self::Named(entries) => entries.iter().filter_map(|e| e.reaches(caller)).max(),
            Self::Not(entries) => {
                // AWS documents that NotPrincipal with Deny always denies callers with a boundary.
                let hit = (denies && bounded) || !is_excepted(entries, caller);
                hit.then_some(Class::Exact)
            }
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bearer => 0,
            Self::Named(entries) | Self::Not(entries) => entries.len(),
        }
    }
}

/// Excepted is only whose every layer is listed: a session, its role and its account.
fn is_excepted(entries: &[Grantee], caller: &Principal) -> bool {
    if entries.iter().any(|entry| entry.0 == Matcher::Everyone) {
        return true;
    }
    let listed = |class| entries.iter().any(|e| e.reaches(caller) == Some(class));
    match caller.kind() {
        PrincipalKind::Root => listed(Class::Account),
        PrincipalKind::User { .. } => listed(Class::Exact) && listed(Class::Account),
        PrincipalKind::RoleSession { .. } => {
            listed(Class::Exact) && listed(Class::Base) && listed(Class::Account)
        }
        PrincipalKind::FederatedUser { issuer, .. } => {
            listed(Class::Exact)
                && (issuer.is_none() || listed(Class::Base))
                && listed(Class::Account)
        }
        PrincipalKind::WebIdentity { .. }
        | PrincipalKind::Anonymous
        | PrincipalKind::Service { .. } => listed(Class::Exact),
    }
}
