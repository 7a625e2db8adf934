//! The caller of this request: an authenticated identity with its policies.

mod in_play;
mod load;

use std::{borrow::Cow, sync::Arc};

use keyward_oidc::issuers::VerifiedToken;
use keyward_store::sealed::Generation;
use keyward_types::{
    account::AccountId,
    partition::Partition,
    principal::Principal,
    region::Region,
    storage::AgentId,
    tag::Tag,
    unique_id::{AccessKeyId, UniqueId},
    via_service::ActingService,
};
use keyward_wire::json::Writer;

pub use self::in_play::InPlay;
use self::in_play::Void;
pub(crate) use self::in_play::control;
use crate::{
    directory::{
        identities::Home,
        units::{
            AccessKeyUnit,
            identity::{GroupUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
            organization::Membership,
        },
    },
    session::{Federation, Forwarded, SessionUnit, Subject},
};

/// What the request was signed with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A long-term access key.
    AccessKey(Arc<AccessKeyUnit>),
    /// Temporary credentials.
    Session(Arc<SessionUnit>),
    /// An access key of Cloudera's protocol, by its id.
    Altus(Arc<str>),
    /// Nothing: an identity provider's token is in the request instead.
    WebIdentity(Arc<WebIdentity>),
    /// Nothing: it is a service of this server, or an agent that registers.
    None,
}

/// A verified token, and the account's provider that it was verified for.
#[derive(Debug)]
pub struct WebIdentity {
    /// The provider, and what it asserts under its condition keys.
    pub federation: Federation,
    /// The token.
    pub token: VerifiedToken,
    /// The generation of the provider's record.
    pub generation: Generation,
}

/// Whose policies the caller has.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// The account's root user, who needs none.
    Root,
    /// A user: the caller itself, or the one that made a federated session.
    User(Arc<UserUnit>),
    /// The role of a session.
    Role(Arc<RoleUnit>),
    /// A service on its own behalf, which has none.
    Service(&'static ActingService),
    /// An agent, which has none: APIs say what agents may do.
    Agent(Agent),
    /// Nobody's: the caller has no identity here yet.
    Nobody,
}

/// An agent, and where it stores volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The Region.
    pub region: Region,
    /// The account.
    pub account: AccountId,
    /// Its id; none while it registers.
    pub id: Option<AgentId>,
}

/// The authenticated caller of one request. Only `authenticate` makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Arc<Principal>,
    home: Home,
    credential: Credential,
    bearer: Bearer,
    groups: Vec<Arc<GroupUnit>>,
    /// Its managed policies, then those of its groups.
    managed: Vec<Arc<ManagedPolicyUnit>>,
    boundary: Option<Arc<ManagedPolicyUnit>>,
    session_managed: Vec<Arc<ManagedPolicyUnit>>,
    session_void: Option<Arc<Void>>,
    /// The identity's tags, overridden by those of the session, if both have some.
    merged_tags: Option<Vec<Tag>>,
    membership: Option<Membership>,
    /// The APIs of this process that call for it, the first one first.
    through: Vec<&'static ActingService>,
}

impl Caller {
    /// The agent that calls, if it is one that is registered.
    pub fn agent(&self) -> Option<(&Agent, &AgentId)> {
        match &self.bearer {
            Bearer::Agent(agent) => Some((agent, agent.id.as_ref()?)),
            Bearer::Root
            | Bearer::User(_)
            | Bearer::Role(_)
            | Bearer::Service(_)
            | Bearer::Nobody => None,
        }
    }

    /// The identity.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Where its credentials are stored: for everybody but a service, in its own account.
    pub fn home(&self) -> (Partition, AccountId) {
        self.home
    }

    /// Its account's place in an organization.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// The access key the request was signed with, if it was signed.
    pub fn access_key_id(&self) -> Option<&AccessKeyId> {
        match &self.credential {
            Credential::AccessKey(key) => Some(key.id()),
            Credential::Session(session) => Some(session.access_key_id()),
            Credential::Altus(_) | Credential::WebIdentity(_) | Credential::None => None,
        }
    }

    /// What events call that access key, or the one of another protocol.
    pub fn shown_access_key(&self) -> Option<&str> {
        match &self.credential {
            Credential::Altus(id) => Some(id),
            Credential::AccessKey(_)
            | Credential::Session(_)
            | Credential::WebIdentity(_)
            | Credential::None => self.access_key_id().map(AccessKeyId::as_str),
        }
    }

    /// `aws:userid`.
    pub fn user_id(&self) -> Cow<'_, str> {
        self.principal.user_id()
    }

    /// The session, if the credentials are temporary.
    pub fn session(&self) -> Option<&SessionUnit> {
        match &self.credential {
            Credential::AccessKey(_)
            | Credential::Altus(_)
            | Credential::WebIdentity(_)
            | Credential::None => None,
            Credential::Session(session) => Some(session),
        }
    }

    /// The service that acts for the caller, and the one key it may use.
    pub fn forwarded(&self) -> Option<&Forwarded> {
        self.session().and_then(SessionUnit::forwarded)
    }

    /// The same caller, on whose behalf a service calls another one.
    pub(crate) fn through(&self, service: &'static ActingService) -> Self {
        let mut caller = self.clone();
        caller.through.push(service);
        caller
    }

    /// The services that act for the caller, the first one first; `None` if it calls by itself.
    pub fn acting(&self) -> impl DoubleEndedIterator<Item = &'static ActingService> {
        let forwarded = self.forwarded();
        let first = forwarded.and_then(|forwarded| ActingService::find(&forwarded.service));
        first.into_iter().chain(self.through.iter().copied())
    }

    /// Whether a service calls on behalf of the caller.
    pub fn is_acted_for(&self) -> bool {
        self.forwarded().is_some() || !self.through.is_empty()
    }

    /// The service that calls, on its own behalf or on the caller's.
    pub fn service(&self) -> Option<&'static ActingService> {
        if let Some(service) = self.through.last() {
            return Some(service);
        }
        match &self.bearer {
            Bearer::Service(service) => Some(service),
            Bearer::Root
            | Bearer::User(_)
            | Bearer::Role(_)
            | Bearer::Agent(_)
            | Bearer::Nobody => ActingService::find(&self.forwarded()?.service),
        }
    }

    /// What the caller's identity provider vouched for, if that is all that is known of it.
    pub fn web_identity(&self) -> Option<&WebIdentity> {
        match &self.credential {
            Credential::WebIdentity(identity) => Some(identity),
            Credential::AccessKey(_)
            | Credential::Session(_)
            | Credential::Altus(_)
            | Credential::None => None,
        }
    }

    /// Whose policies the caller has.
    pub fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// `aws:PrincipalTag/…`: the tags of user or role, overridden by the session's.
    pub fn tags(&self) -> &[Tag] {
        if let Some(merged) = &self.merged_tags {
            return merged;
        }
        match bearer_tags(&self.bearer) {
            [] => self.session().map(SessionUnit::tags).unwrap_or_default(),
            own => own,
        }
    }

    /// The user, if the caller is one, by whatever credentials.
    pub fn user(&self) -> Option<&Arc<UserUnit>> {
        match (&self.bearer, self.session().map(SessionUnit::subject)) {
            (Bearer::User(user), None | Some(Subject::User(_))) => Some(user),
            (
                Bearer::User(_)
                | Bearer::Root
                | Bearer::Role(_)
                | Bearer::Service(_)
                | Bearer::Agent(_)
                | Bearer::Nobody,
                _,
            ) => None,
        }
    }

    /// The unique id that grants and policies name the caller by: a user's, or its role's.
    pub fn unique_id(&self) -> Option<&UniqueId> {
        match &self.bearer {
            Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => None,
            Bearer::User(user) => Some(&user.record().id),
            Bearer::Role(role) => Some(&role.record().id),
        }
    }

    /// Writes the generations of the records that the caller's policies are in.
    pub fn describe_generations(&self, policies: &mut Writer<'_>) {
        match &self.credential {
            Credential::AccessKey(key) => {
                policies.hexadecimal("accessKey", key.generation().as_bytes());
            }
            Credential::WebIdentity(identity) => {
                policies.hexadecimal("identityProvider", identity.generation.as_bytes());
            }
            Credential::Session(_) | Credential::Altus(_) | Credential::None => {}
        }
        match &self.bearer {
            Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => {}
            Bearer::User(user) => policies.hexadecimal("user", user.generation().as_bytes()),
            Bearer::Role(role) => policies.hexadecimal("role", role.generation().as_bytes()),
        }
        for group in &self.groups {
            policies.named_hexadecimal(group.record().id.as_str(), group.generation().as_bytes());
        }
        let attached = self.managed.iter().chain(&self.boundary);
        for policy in attached.chain(&self.session_managed) {
            if let Some(generation) = policy.generation() {
                policies.named_hexadecimal(policy.id().as_str(), generation.as_bytes());
            }
        }
        if let Some(membership) = &self.membership {
            membership.describe_generations(policies);
        }
    }
}

fn bearer_tags(bearer: &Bearer) -> &[Tag] {
    match bearer {
        Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => &[],
        Bearer::User(user) => &user.record().tags,
        Bearer::Role(role) => &role.record().tags,
    }
}
