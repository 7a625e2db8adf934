//! Who makes this request: a proven identity with the policies that speak for it.

use std::sync::Arc;

use keyward_policy::request::{Attached, Name, Policies};
use keyward_types::{principal::Principal, tag::Tag, unique_id::AccessKeyId};
use keyward_wire::json::Writer;
use smallvec::SmallVec;

use crate::directory::units::{AccessKeyUnit, UserUnit};

/// The authenticated caller of one request. Only `authenticate` makes one.
#[derive(Debug)]
pub struct Caller {
    principal: Arc<Principal>,
    access_key: Arc<AccessKeyUnit>,
    user: Option<Arc<UserUnit>>,
    user_id: String,
}

impl Caller {
    /// The caller whose signature with this access key was verified.
    pub(crate) fn new(
        principal: Arc<Principal>,
        access_key: Arc<AccessKeyUnit>,
        user: Option<Arc<UserUnit>>,
    ) -> Self {
        let user_id = principal.user_id();
        Self {
            principal,
            access_key,
            user,
            user_id,
        }
    }

    /// The identity.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The access key the request was signed with.
    pub fn access_key_id(&self) -> &AccessKeyId {
        self.access_key.id()
    }

    /// `aws:userid`.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The tags of the user.
    pub fn tags(&self) -> &[Tag] {
        self.user
            .as_deref()
            .map(|user| user.record().tags.as_slice())
            .unwrap_or_default()
    }

    /// The user, unless the caller is the root user.
    pub fn user(&self) -> Option<&UserUnit> {
        self.user.as_deref()
    }

    /// The policies that speak for the caller, for one question.
    pub(crate) fn identity_policies(&self) -> SmallVec<[Attached<'_>; 8]> {
        let Some(user) = self.user.as_deref() else {
            return SmallVec::new();
        };
        user.policies()
            .iter()
            .map(|(name, policy)| Attached {
                policy,
                name: Name::Inline(name),
            })
            .collect()
    }

    /// The policies in play on the caller's side.
    pub(crate) fn policies<'a>(&'a self, identity: &'a [Attached<'a>]) -> Policies<'a> {
        Policies {
            identity,
            ..Policies::default()
        }
    }

    /// Writes the generations of the records that the caller's policies stand in.
    pub fn describe_generations(&self, policies: &mut Writer<'_>) {
        policies.string("accessKey", &self.access_key.generation().to_string());
        if let Some(user) = &self.user {
            policies.string("user", &user.generation().to_string());
        }
    }
}
