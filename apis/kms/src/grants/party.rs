//! Whom a grant names, bound to something that nobody can take over: a user, role or session
//! created again under an old name is a stranger to the grants of the old one.

use std::borrow::Cow;

use keyward_engine::policy::principal::Class;
use keyward_store::reader::Reader;
use keyward_types::{
    account::AccountId,
    principal::{Principal, PrincipalKind},
    region::Region,
    unique_id::UniqueId,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A grantee or retiring principal. It lives in the partition of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Party {
    /// Everybody in an account whom its own policies allow.
    Account {
        /// The account.
        account: AccountId,
    },
    /// An IAM user, and its federated users.
    User {
        /// Its account.
        account: AccountId,
        /// `AIDA…`.
        id: UniqueId,
    },
    /// A role: all its sessions.
    Role {
        /// Its account.
        account: AccountId,
        /// `AROA…`.
        id: UniqueId,
    },
    /// The sessions of a role that have that name.
    Session {
        /// The role's account.
        account: AccountId,
        /// `AROA…` of the role.
        role: UniqueId,
        /// The session's name.
        session: String,
    },
    /// The federated users of an account that have that name.
    FederatedUser {
        /// The account.
        account: AccountId,
        /// The name.
        name: String,
    },
    /// A service of AWS.
    Service {
        /// Its name, such as `ec2.amazonaws.com`.
        name: String,
        /// Whether it was named where principals are, as services do it, and is shown there.
        as_principal: bool,
    },
}

/// One of the parties that a caller is, by what stands for it in paths, and how strongly the
/// party names the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The party's segment.
    pub segment: Cow<'a, str>,
    /// How it names the caller.
    pub class: Class,
}

impl Party {
    /// Its account; a service has none.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account { account }
            | Self::User { account, .. }
            | Self::Role { account, .. }
            | Self::Session { account, .. }
            | Self::FederatedUser { account, .. } => Some(*account),
            Self::Service { .. } => None,
        }
    }

    /// What stands for it in paths: ids and services as they are, what users name as a hash.
    pub fn segment(&self, reader: &Reader) -> String {
        match self {
            Self::Account { account } => account.to_string(),
            Self::User { id, .. } | Self::Role { id, .. } => id.to_string(),
            Self::Session { role, session, .. } => session_segment(reader, role, session),
            Self::FederatedUser { account, name } => federated_segment(reader, *account, name),
            Self::Service { name, .. } => name.clone(),
        }
    }

    /// How strongly it names the caller, if it does.
    pub fn reaches(&self, caller: &Principal) -> Option<Class> {
        let account = caller.account();
        let when = |holds: bool, class| holds.then_some(class);
        match (self, caller.kind()) {
            (Self::Service { name: wanted, .. }, PrincipalKind::Service { name }) => {
                when(service_names(name).any(|n| n == *wanted), Class::Exact)
            }
            (
                _,
                PrincipalKind::Service { .. }
                | PrincipalKind::WebIdentity { .. }
                | PrincipalKind::Anonymous,
            ) => None,
            (Self::Account { account: wanted }, _) => {
                when(account == Some(*wanted), Class::Account)
            }
            (Self::User { id: wanted, .. }, PrincipalKind::User { id, .. }) => {
                when(id == wanted, Class::Exact)
            }
            (Self::User { id, .. }, PrincipalKind::FederatedUser { issuer, .. }) => {
                when(issuer.as_ref() == Some(id), Class::Base)
            }
            (Self::Role { id, .. }, PrincipalKind::RoleSession { role_id, .. }) => {
                when(role_id == id, Class::Base)
            }
            (
                Self::Session { role, session, .. },
                PrincipalKind::RoleSession {
                    role_id,
                    session: name,
                    ..
                },
            ) => when(role == role_id && session == name, Class::Exact),
            (
                Self::FederatedUser {
                    account: wanted,
                    name,
                },
                PrincipalKind::FederatedUser { name: named, .. },
            ) => when(account == Some(*wanted) && name == named, Class::Exact),
            (
                Self::User { .. }
                | Self::Role { .. }
                | Self::Session { .. }
                | Self::FederatedUser { .. }
                | Self::Service { .. },
                PrincipalKind::Root
                | PrincipalKind::User { .. }
                | PrincipalKind::RoleSession { .. }
                | PrincipalKind::FederatedUser { .. },
            ) => None,
        }
    }
}

/// Every party that the caller is, strongest first: itself, what it is a session of, its account.
pub fn standings<'a>(reader: &Reader, caller: &'a Principal) -> SmallVec<[Standing<'a>; 3]> {
    let mut found = SmallVec::new();
    let mut add = |segment: Cow<'a, str>, class| found.push(Standing { segment, class });
    let account = caller.account();
    match caller.kind() {
        PrincipalKind::Root => {}
        PrincipalKind::User { id, .. } => add(id.as_str().into(), Class::Exact),
        PrincipalKind::RoleSession {
            role_id, session, ..
        } => {
            add(
                session_segment(reader, role_id, session).into(),
                Class::Exact,
            );
            add(role_id.as_str().into(), Class::Base);
        }
        PrincipalKind::FederatedUser { name, issuer } => {
            if let Some(account) = account {
                let segment = federated_segment(reader, account, name);
                add(segment.into(), Class::Exact);
            }
            if let Some(issuer) = issuer {
                add(issuer.as_str().into(), Class::Base);
            }
        }
        PrincipalKind::Service { name } => {
            for name in service_names(name) {
                add(name, Class::Exact);
            }
            return found;
        }
        // A grant cannot name somebody without an identity here.
        PrincipalKind::WebIdentity { .. } | PrincipalKind::Anonymous => return found,
    }
    if let Some(account) = account {
        add(account.to_string().into(), Class::Account);
    }
    found
}

fn session_segment(reader: &Reader, role: &UniqueId, session: &str) -> String {
    reader
        .name_hash(role.as_str(), "grantee session", session)
        .into()
}

fn federated_segment(reader: &Reader, account: AccountId, name: &str) -> String {
    reader
        .name_hash(account.as_str(), "grantee federated user", name)
        .into()
}

/// The names of a service: its own and, if that is a regional one, the one without the Region.
fn service_names(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut labels = name.splitn(3, '.');
    let global = match (labels.next(), labels.next(), labels.next()) {
        (Some(service), Some(region), Some(domain)) if Region::parse(region).is_ok() => {
            Some(Cow::Owned(format!("{service}.{domain}")))
        }
        (_, _, _) => None,
    };
    std::iter::once(Cow::Borrowed(name)).chain(global)
}

#[cfg(test)]
mod tests {
    use keyward_engine::policy::principal::{Bindings, Grantee, PrincipalRef};
    use keyward_types::{partition::Partition, unique_id::UniqueIdKind};

    use super::*;

    /// A grantee reaches a caller as the same principal in a key policy does.
    #[test]
    fn a_party_reaches_whom_a_key_policy_would() {
        let account = AccountId::parse("111122223333").unwrap();
        let other = AccountId::parse("444455556666").unwrap();
        let aws = Partition::Aws;
        let user = UniqueId::from_random(UniqueIdKind::User, [1; 17]);
        let role = UniqueId::from_random(UniqueIdKind::Role, [2; 17]);
        let gone = UniqueId::from_random(UniqueIdKind::Role, [3; 17]);
        let arn = |text: &str| format!("arn:aws:{text}");
        let (alice, admin) = (
            arn("iam::111122223333:user/alice"),
            arn("iam::111122223333:role/ops/Admin"),
        );
        let mut bindings = Bindings::new();
        bindings.bind(&alice, user.clone());
        bindings.bind(&admin, role.clone());
        let parties = [
            (Party::Account { account }, arn("iam::111122223333:root")),
            (
                Party::User {
                    account,
                    id: user.clone(),
                },
                alice,
            ),
            (
                Party::Role {
                    account,
                    id: role.clone(),
                },
                admin,
            ),
            (
                Party::Session {
                    account,
                    role: role.clone(),
                    session: "s".into(),
                },
                arn("sts::111122223333:assumed-role/Admin/s"),
            ),
            (
                Party::FederatedUser {
                    account,
                    name: "bob".into(),
                },
                arn("sts::111122223333:federated-user/bob"),
            ),
            (
                Party::Service {
                    name: "logs.amazonaws.com".into(),
                    as_principal: false,
                },
                "logs.amazonaws.com".to_owned(),
            ),
        ];
        let callers = [
            Principal::root(aws, account),
            Principal::root(aws, other),
            Principal::user(aws, account, "/", "alice", user.clone()),
            Principal::role_session(aws, account, ("/ops/", "Admin", role.clone()), "s"),
            Principal::role_session(aws, account, ("/ops/", "Admin", role), "t"),
            Principal::federated_user(aws, account, "bob", Some(user)),
            Principal::federated_user(aws, account, "bob", None),
            Principal::federated_user(aws, other, "bob", None),
            Principal::service(aws, "logs.us-west-2.amazonaws.com"),
            Principal::service(aws, "logs.x.amazonaws.com"),
        ];
        for (party, text) in &parties {
            let named = PrincipalRef::parse_aws(text).or_else(|| PrincipalRef::parse_service(text));
            let grantee = Grantee::compile(&named.unwrap(), &bindings);
            for caller in &callers {
                assert_eq!(
                    party.reaches(caller),
                    grantee.reaches(caller),
                    "{party:?} {caller:?}"
                );
            }
        }
        // But for a session of a role created again: a key policy names it, a grant does not.
        let namesake = Principal::role_session(aws, account, ("/ops/", "Admin", gone), "s");
        assert!(parties.iter().all(|(party, _)| {
            party
                .reaches(&namesake)
                .is_none_or(|class| class == Class::Account)
        }));
    }
}
