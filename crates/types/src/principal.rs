//! The identities that make requests and that policies name.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use std::{borrow::Cow, fmt};

use crate::{account::AccountId, partition::Partition, unique_id::UniqueId};

/// The account that CloudTrail shows for a caller without credentials.
pub const ANONYMOUS_ACCOUNT: &str = "ANONYMOUS_PRINCIPAL";

/// Who makes a request: an identity with the ARNs that policies and answers show for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    partition: Partition,
    account: Option<AccountId>,
    kind: PrincipalKind,
    arn: Box<str>,
    principal_arn: Box<str>,
}

/// The kinds of identity, each with its own data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The account's root user.
    Root,
    /// An IAM user.
    User {
        /// `AIDA…`.
        id: UniqueId,
        /// The user's name, without path.
        name: String,
    },
    /// A session of a role.
    RoleSession {
        /// `AROA…`.
        role_id: UniqueId,
        /// The role's name, without path.
        role_name: String,
        /// The session's name.
        session: String,
        /// Whether the role is linked to a service; its record says so, never its path or name.
        service_linked: bool,
    },
    /// A session of GetFederationToken.
    FederatedUser {
        /// The name given to the session.
        name: String,
        /// The unique id of the user that made it; `None` if the root user did.
        issuer: Option<UniqueId>,
    },
    /// A web identity that has no session yet.
    WebIdentity {
        /// The ARN of the account's provider.
        provider: String,
        /// Whom the provider vouches for.
        subject: String,
    },
    /// Nobody that is known: a request without credentials, where a resource policy may allow one.
    Anonymous,
    /// An AWS service, such as `logs.us-west-2.amazonaws.com`.
    Service {
        /// The service principal.
        name: String,
    },
}

impl Principal {
    /// The root user of an account.
    pub fn root(partition: Partition, account: AccountId) -> Self {
        let arn = format!("arn:{partition}:iam::{account}:root");
        Self::new(partition, account, PrincipalKind::Root, arn.clone(), arn)
    }

    /// An IAM user; `path` begins and ends with `/`.
    pub fn user(
        partition: Partition,
        account: AccountId,
        path: &str,
        name: &str,
        id: UniqueId,
    ) -> Self {
        let arn = format!("arn:{partition}:iam::{account}:user{path}{name}");
        let kind = PrincipalKind::User {
            id,
            name: name.to_owned(),
        };
        Self::new(partition, account, kind, arn.clone(), arn)
    }

    /// A session of the role of that path and name.
    pub fn role_session(
        partition: Partition,
        account: AccountId,
        (role_path, role_name, role_id): (&str, &str, UniqueId),
        session: &str,
    ) -> Self {
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{role_name}/{session}");
        let role_arn = format!("arn:{partition}:iam::{account}:role{role_path}{role_name}");
        let kind = PrincipalKind::RoleSession {
            role_id,
            role_name: role_name.to_owned(),
            session: session.to_owned(),
            service_linked: false,
        };
        Self::new(partition, account, kind, arn, role_arn)
    }

    /// The same session, of a role that is linked to a service. Nobody else becomes one.
    #[must_use]
    pub fn of_service_linked_role(mut self) -> Self {
        if let PrincipalKind::RoleSession { service_linked, .. } = &mut self.kind {
            *service_linked = true;
        }
        self
    }

    /// A federated user's session, made by a user (with its id) or by the root user.
    pub fn federated_user(
        partition: Partition,
        account: AccountId,
        name: &str,
        issuer: Option<UniqueId>,
    ) -> Self {
        let arn = format!("arn:{partition}:sts::{account}:federated-user/{name}");
        let kind = PrincipalKind::FederatedUser {
            name: name.to_owned(),
            issuer,
        };
        Self::new(partition, account, kind, arn.clone(), arn)
    }

    /// A web identity of an identity provider of that account. `arn` is how the trail names them,
    /// since AWS has no ARN for them: provider, audience and subject.
    pub fn web_identity(
        partition: Partition,
        account: AccountId,
        (provider, audience, subject): (&str, &str, &str),
    ) -> Self {
        let kind = PrincipalKind::WebIdentity {
            provider: provider.to_owned(),
            subject: subject.to_owned(),
        };
        let name = format!("{provider}:{audience}:{subject}");
        Self::new(partition, account, kind, name, String::new())
    }

    /// Nobody that is known, as AWS's denials name them.
    pub fn anonymous(partition: Partition) -> Self {
        let name = "anonymous".to_owned();
        Self::new(
            partition,
            None,
            PrincipalKind::Anonymous,
            name,
            String::new(),
        )
    }

    /// An AWS service. It belongs to no account, wherever its credentials are kept.
    pub fn service(partition: Partition, name: &str) -> Self {
        let kind = PrincipalKind::Service {
            name: name.to_owned(),
        };
        Self::new(partition, None, kind, name.to_owned(), String::new())
    }

    fn new(
        partition: Partition,
        account: impl Into<Option<AccountId>>,
        kind: PrincipalKind,
        arn: String,
        principal_arn: String,
    ) -> Self {
        Self {
            partition,
            account: account.into(),
            kind,
            arn: arn.into(),
            principal_arn: principal_arn.into(),
        }
    }

    /// The partition the principal lives in.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The account that the principal belongs to; `None` for a service or an anonymous one. For a web identity it
    /// is the account whose provider vouches.
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// What kind of identity this is.
    pub fn kind(&self) -> &PrincipalKind {
        &self.kind
    }

    /// The ARN that GetCallerIdentity and denials show: a session's own, not its role's. The
    /// name, for a service or a web identity.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// `aws:PrincipalArn`: a session's role, otherwise the own ARN; empty for a service or a web
    /// identity.
    pub fn principal_arn(&self) -> &str {
        &self.principal_arn
    }

    /// The account's digits; empty for a service.
    pub fn account_text(&self) -> &str {
        self.account.as_ref().map_or("", AccountId::as_str)
    }

    /// Whether this is the account's root user.
    pub fn is_root(&self) -> bool {
        matches!(self.kind, PrincipalKind::Root)
    }

    /// `aws:userid`, which is also GetCallerIdentity's `UserId`; empty for a service or a web
    /// identity.
    pub fn user_id(&self) -> Cow<'_, str> {
        match &self.kind {
            PrincipalKind::Root => self.account_text().to_owned().into(),
            PrincipalKind::User { id, .. } => id.as_str().into(),
            PrincipalKind::RoleSession {
                role_id, session, ..
            } => format!("{role_id}:{session}").into(),
            PrincipalKind::FederatedUser { name, .. } => {
                format!("{}:{name}", self.account_text()).into()
            }
            PrincipalKind::WebIdentity { .. }
            | PrincipalKind::Anonymous
            | PrincipalKind::Service { .. } => "".into(),
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unique_id::UniqueIdKind;

    #[test]
    fn a_session_shows_its_own_arn_and_compares_by_its_role() {
        let account = AccountId::parse("111122223333").unwrap();
        let id = UniqueId::from_random(UniqueIdKind::Role, [0; 17]);
        let session =
            Principal::role_session(Partition::Aws, account, ("/ops/", "Admin", id), "s1");
        assert_eq!(
            session.arn(),
            "arn:aws:sts::111122223333:assumed-role/Admin/s1"
        );
        assert_eq!(
            session.principal_arn(),
            "arn:aws:iam::111122223333:role/ops/Admin"
        );
        assert_eq!(session.user_id(), "AROAAAAAAAAAAAAAAAAAA:s1");
    }
}
