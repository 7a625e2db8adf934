//! The caller of a case.

use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    principal::Principal,
    unique_id::{UniqueId, UniqueIdKind},
};

use crate::principal::PrincipalRef;

/// The caller as the case names it, before policies know it.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    Root(Partition, AccountId),
    User {
        at: (Partition, AccountId),
        arn: String,
        id: Option<UniqueId>,
    },
    Session {
        at: (Partition, AccountId),
        role_arn: String,
        session: String,
        id: Option<UniqueId>,
        service_linked: bool,
    },
    Federated {
        at: (Partition, AccountId),
        name: String,
        issuer: Issuer,
    },
    Service(String),
    Anonymous,
}

/// Who created a federated user's session.
#[derive(Clone, Debug)]
pub(super) enum Issuer {
    Root,
    User {
        /// `None` if the case does not say who that was.
        arn: Option<String>,
        id: Option<UniqueId>,
    },
}

/// The members of a case that describe the caller.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named<'a> {
    pub(super) principal: &'a str,
    pub(super) role_arn: Option<&'a str>,
    pub(super) principal_id: Option<&'a str>,
    pub(super) issuer: Option<&'a str>,
    pub(super) service_linked: Option<bool>,
}

/// How a case, and AWS's denials, name a caller without credentials.
const ANONYMOUS: &str = "anonymous";

/// The path of service-linked roles, which nobody else can create.
const SERVICE_LINKED: &str = "/aws-service-role/";

const FORMS: &str = "principal must be the ARN of a user, of a role's session (assumed-role/ROLE/SESSION), \
                     of a federated user or of an account's root, the name of a service, or \"anonymous\"";

impl Identity {
    pub(super) fn read(named: Named<'_>) -> Result<Self, String> {
        let text = named.principal;
        let Some(arn) = ArnParts::parse(text) else {
            if text == ANONYMOUS {
                refuse(named.role_arn, "roleArn", "anonymous has none")?;
                refuse(named.principal_id, "principalId", "anonymous has none")?;
                refuse(named.issuer, "issuer", "only federated users have one")?;
                refuse(named.service_linked, "serviceLinkedRole", ONLY_SESSIONS)?;
                return Ok(Self::Anonymous);
            }
            let service = PrincipalRef::parse_service(text).ok_or(FORMS)?;
            let PrincipalRef::Service(name) = service else {
                return Err(FORMS.to_owned());
            };
            refuse(named.role_arn, "roleArn", "a service has no role")?;
            refuse(named.principal_id, "principalId", "a service has none")?;
            refuse(named.issuer, "issuer", "only federated users have one")?;
            refuse(named.service_linked, "serviceLinkedRole", ONLY_SESSIONS)?;
            return Ok(Self::Service(name.to_owned()));
        };
        let form = PrincipalRef::parse_aws(text).ok_or(FORMS)?;
        let partition = Partition::parse(arn.partition).ok_or(FORMS)?;
        let account = AccountId::parse(arn.account).map_err(|_| FORMS)?;
        let at = (partition, account);
        let session = matches!(form, PrincipalRef::Session { .. });
        if !session {
            refuse(named.role_arn, "roleArn", "only a role's session has one")?;
            refuse(named.service_linked, "serviceLinkedRole", ONLY_SESSIONS)?;
        }
        let federated = matches!(form, PrincipalRef::FederatedUser(_));
        if !federated {
            refuse(named.issuer, "issuer", "only federated users have one")?;
        }
        let wanted = if session {
            UniqueIdKind::Role
        } else {
            UniqueIdKind::User
        };
        let id = named
            .principal_id
            .map(|id| unique(id, wanted))
            .transpose()?;
        match form {
            PrincipalRef::Account { .. } => {
                refuse(named.principal_id, "principalId", "a root user has none")?;
                Ok(Self::Root(partition, account))
            }
            PrincipalRef::User(arn) => {
                let arn = arn.to_owned();
                Ok(Self::User { at, arn, id })
            }
            PrincipalRef::Session { role, .. } => {
                let session = text.rsplit('/').next().unwrap_or_default().to_owned();
                let role_arn = match named.role_arn {
                    Some(arn) => role_of(arn, at, role)?,
                    None => format!("arn:{partition}:iam::{account}:role/{role}"),
                };
                // What the case says counts; otherwise the path decides, since only services have
                // roles there.
                let (path, _) = path_and_name(&role_arn);
                let by_path = path.starts_with(SERVICE_LINKED);
                Ok(Self::Session {
                    at,
                    session,
                    id,
                    service_linked: named.service_linked.unwrap_or(by_path),
                    role_arn,
                })
            }
            PrincipalRef::FederatedUser(_) => {
                let name = arn.resource.split_once('/').map_or("", |(_, name)| name);
                Ok(Self::Federated {
                    at,
                    name: name.to_owned(),
                    issuer: Issuer::read(named.issuer, at, id)?,
                })
            }
            PrincipalRef::Role(_) => Err(
                "principal is a role: use a session of the role, assumed-role/ROLE/SESSION".into(),
            ),
            PrincipalRef::Everyone
            | PrincipalRef::Unique(_)
            | PrincipalRef::Service(_)
            | PrincipalRef::Federated(_)
            | PrincipalRef::CanonicalUser(_) => Err(FORMS.to_owned()),
        }
    }

    /// The account and partition, unless it is a service.
    pub(super) fn place(&self) -> Option<(Partition, AccountId)> {
        match self {
            Self::Root(partition, account) => Some((*partition, *account)),
            Self::User { at, .. } | Self::Session { at, .. } | Self::Federated { at, .. } => {
                Some(*at)
            }
            Self::Service(_) | Self::Anonymous => None,
        }
    }

    /// The user or role ARN by which policies name the caller, in addition to its own, and the
    /// unique id that the case gives to it.
    pub(super) fn base(&self) -> Option<(&str, UniqueIdKind, Option<&UniqueId>)> {
        match self {
            Self::User { arn, id, .. } => Some((arn, UniqueIdKind::User, id.as_ref())),
            Self::Session { role_arn, id, .. } => Some((role_arn, UniqueIdKind::Role, id.as_ref())),
            Self::Federated {
                issuer: Issuer::User { arn, id },
                ..
            } => Some((
                arn.as_deref().unwrap_or_default(),
                UniqueIdKind::User,
                id.as_ref(),
            )),
            Self::Root(..) | Self::Federated { .. } | Self::Service(_) | Self::Anonymous => None,
        }
    }

    /// The principal. `id` is the unique id of what [`Self::base`] names; a service is in the
    /// partition of the resource.
    pub(super) fn principal(&self, id: UniqueId, partition: Partition) -> Principal {
        match self {
            Self::Root(partition, account) => Principal::root(*partition, *account),
            Self::User {
                at: (partition, account),
                arn,
                ..
            } => {
                let (path, name) = path_and_name(arn);
                Principal::user(*partition, *account, path, name, id)
            }
            Self::Session {
                at: (partition, account),
                role_arn,
                session,
                service_linked,
                ..
            } => {
                let (path, name) = path_and_name(role_arn);
                let role = (path, name, id);
                let principal = Principal::role_session(*partition, *account, role, session);
                match service_linked {
                    true => principal.of_service_linked_role(),
                    false => principal,
                }
            }
            Self::Federated {
                at: (partition, account),
                name,
                issuer,
            } => {
                let issuer = match issuer {
                    Issuer::Root => None,
                    Issuer::User { .. } => Some(id),
                };
                Principal::federated_user(*partition, *account, name, issuer)
            }
            Self::Service(name) => Principal::service(partition, name),
            Self::Anonymous => Principal::anonymous(partition),
        }
    }
}

impl Issuer {
    fn read(
        issuer: Option<&str>,
        at: (Partition, AccountId),
        id: Option<UniqueId>,
    ) -> Result<Self, String> {
        let Some(text) = issuer else {
            return Ok(Self::User { arn: None, id });
        };
        if place_of(text) != Some(at) {
            return Err("issuer must be in the federated user's account".to_owned());
        }
        match PrincipalRef::parse_aws(text) {
            Some(PrincipalRef::User(arn)) => Ok(Self::User {
                arn: Some(arn.to_owned()),
                id,
            }),
            Some(PrincipalRef::Account { .. }) => match id {
                None => Ok(Self::Root),
                Some(_) => Err("principalId: a root user has none".to_owned()),
            },
            Some(
                PrincipalRef::Everyone
                | PrincipalRef::Role(_)
                | PrincipalRef::Session { .. }
                | PrincipalRef::FederatedUser(_)
                | PrincipalRef::Unique(_)
                | PrincipalRef::Service(_)
                | PrincipalRef::Federated(_)
                | PrincipalRef::CanonicalUser(_),
            )
            | None => Err("issuer must be the ARN of a user, or of the account's root".to_owned()),
        }
    }
}

const ONLY_SESSIONS: &str = "only a role's session has one";

fn refuse<T>(member: Option<T>, name: &str, why: &str) -> Result<(), String> {
    match member {
        None => Ok(()),
        Some(_) => Err(format!("{name}: {why}")),
    }
}

fn unique(text: &str, wanted: UniqueIdKind) -> Result<UniqueId, String> {
    UniqueId::parse(text)
        .ok()
        .filter(|id| id.kind() == Some(wanted))
        .ok_or_else(|| {
            let prefix = wanted.prefix();
            format!("principalId must be {prefix} and at least 12 characters of A-Z and 0-9")
        })
}

fn place_of(arn: &str) -> Option<(Partition, AccountId)> {
    let parts = ArnParts::parse(arn)?;
    let partition = Partition::parse(parts.partition)?;
    Some((partition, AccountId::parse(parts.account).ok()?))
}

fn role_of(arn: &str, at: (Partition, AccountId), role: &str) -> Result<String, String> {
    let is_role = matches!(PrincipalRef::parse_aws(arn), Some(PrincipalRef::Role(_)));
    if is_role && place_of(arn) == Some(at) && path_and_name(arn).1 == role {
        Ok(arn.to_owned())
    } else {
        Err("roleArn must be the ARN of the session's role, with its path".to_owned())
    }
}

/// The path, with both its slashes, and the name of the user or role of that ARN.
fn path_and_name(arn: &str) -> (&str, &str) {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let path = resource.find('/').and_then(|slash| resource.get(slash..));
    let path = path.unwrap_or("/");
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    path.split_at_checked(name).unwrap_or(("/", path))
}
