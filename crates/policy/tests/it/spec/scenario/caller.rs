//! The caller.

use keyward_types::{
    account::AccountId, partition::Partition, principal::Principal, unique_id::UniqueId,
};

use super::LINKED;

#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    Root(&'static str),
    User(&'static str, &'static str, &'static str, &'static str),
    Session(
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
    ),
    Federated(&'static str, &'static str, Option<&'static str>),
    Service(&'static str),
    Anonymous,
}

impl Caller {
    pub fn principal(&self) -> Principal {
        let account = |text| AccountId::parse(text).unwrap();
        let id = |text| UniqueId::parse(text).unwrap();
        let p = Partition::Aws;
        match *self {
            Self::Root(a) => Principal::root(p, account(a)),
            Self::User(a, path, name, i) => Principal::user(p, account(a), path, name, id(i)),
            Self::Session(a, path, role, i, session) => {
                let principal =
                    Principal::role_session(p, account(a), (path, role, id(i)), session);
                match i {
                    LINKED => principal.of_service_linked_role(),
                    _ => principal,
                }
            }
            Self::Federated(a, name, issuer) => {
                Principal::federated_user(p, account(a), name, issuer.map(id))
            }
            Self::Service(name) => Principal::service(p, name),
            Self::Anonymous => Principal::anonymous(p),
        }
    }

    /// Services and anonymous callers have none.
    pub fn account(&self) -> Option<&'static str> {
        match self {
            Self::Service(_) | Self::Anonymous => None,
            Self::Root(a) | Self::User(a, ..) | Self::Session(a, ..) => Some(a),
            Self::Federated(a, ..) => Some(a),
        }
    }
}
