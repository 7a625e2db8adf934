//! Who makes this request: a proven identity with the policies that speak for it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use keyward_oidc::issuers::VerifiedToken;
use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
    request::{Attached, Name, Policies},
};
use keyward_store::sealed::Generation;
use keyward_types::{
    account::AccountId,
    partition::Partition,
    principal::Principal,
    region::Region,
    storage::AgentId,
    tag::Tag,
    unique_id::{AccessKeyId, UniqueId},
};
use keyward_wire::json::Writer;
use smallvec::SmallVec;

use crate::{
    directory::{
        Directory, ReadError,
        identities::Home,
        organizations::TRIES,
        records::{AccessKeyOwner, identity::ManagedPolicyRef},
        units::{
            AccessKeyUnit,
            identity::{GroupUnit, ManagedPolicyUnit, OidcProviderUnit, RoleUnit, UserUnit},
            organization::{ControlPolicy, Membership},
        },
    },
    session::{Federation, Forwarded, SessionUnit, Subject},
    via_service::ActingService,
};

/// What the request was signed with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A long-term access key.
    AccessKey(Arc<AccessKeyUnit>),
    /// Temporary credentials.
    Session(Arc<SessionUnit>),
    /// Nothing: an identity provider's token stands in the request instead.
    WebIdentity(Arc<WebIdentity>),
    /// Nothing: it is a service of this server, or an agent that registers.
    None,
}

/// A verified token, and the account's provider that it was verified for.
#[derive(Debug)]
pub struct WebIdentity {
    /// The provider, and what it vouches for under its condition keys.
    pub federation: Federation,
    /// The token.
    pub token: VerifiedToken,
    /// The generation of the provider's record.
    pub generation: Generation,
}

impl WebIdentity {
    /// What a token says that was verified for a provider of that account.
    pub(crate) fn new(home: Home, provider: &OidcProviderUnit, token: VerifiedToken) -> Self {
        let host_and_path = &provider.record().host_and_path;
        let mut claims = BTreeMap::new();
        let mut claim = |name: &str, values: Vec<String>| {
            if !values.is_empty() {
                claims.insert(format!("{host_and_path}:{name}"), values);
            }
        };
        claim("aud", vec![token.audience().to_owned()]);
        claim("sub", vec![token.subject().to_owned()]);
        claim("amr", token.authentication_methods().to_vec());
        Self {
            federation: Federation {
                provider_arn: provider.record().arn(home.0, home.1),
                claims,
            },
            token,
            generation: provider.generation(),
        }
    }
}

/// Whose policies speak for the caller.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// The account's root user, who needs none.
    Root,
    /// A user: the caller itself, or the one that made a federated session.
    User(Arc<UserUnit>),
    /// The role of a session.
    Role(Arc<RoleUnit>),
    /// A service by itself, which has none.
    Service(&'static ActingService),
    /// An agent, which has none: what it may do is what an API says agents may.
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
    /// The bearer's managed policies, then its groups'.
    managed: Vec<Arc<ManagedPolicyUnit>>,
    boundary: Option<Arc<ManagedPolicyUnit>>,
    session_managed: Vec<Arc<ManagedPolicyUnit>>,
    session_void: Option<Arc<Void>>,
    /// The bearer's tags overridden by the session's, if both have some.
    merged_tags: Option<Vec<Tag>>,
    membership: Option<Membership>,
    /// The APIs of this process that call for it, the first one first.
    through: Vec<&'static ActingService>,
}

impl Agent {
    /// What it is called as a principal, which no policy of AWS can name.
    fn name(&self) -> String {
        let Self {
            region,
            account,
            id,
        } = self;
        let id = id.as_ref().map_or("agent", AgentId::as_str);
        format!("{id}.{account}.{region}.keyward")
    }
}

impl Caller {
    /// The caller whose signature with this access key was verified; none if its owner is gone.
    ///
    /// # Errors
    /// When the owner or a policy of it cannot be read, or is missing: it may have denied.
    pub(crate) async fn of_access_key(
        directory: &Directory,
        key: Arc<AccessKeyUnit>,
        region: Region,
    ) -> Result<Option<Self>, ReadError> {
        // A group that a user left may have been deleted since the user was read: then the next
        // read of the user does not name it any more.
        for _ in 1..TRIES {
            let found = Self::owner_of(directory, Arc::clone(&key), region).await;
            if !matches!(found, Err(ReadError::Missing { .. })) {
                return found;
            }
        }
        Self::owner_of(directory, key, region).await
    }

    async fn owner_of(
        directory: &Directory,
        key: Arc<AccessKeyUnit>,
        region: Region,
    ) -> Result<Option<Self>, ReadError> {
        let (partition, account) = (key.partition(), key.account());
        let (principal, bearer) = match key.owner() {
            AccessKeyOwner::Root => (Arc::new(Principal::root(partition, account)), Bearer::Root),
            AccessKeyOwner::User(id) => match directory.user(partition, account, id).await? {
                Some(user) => (Arc::clone(user.principal()), Bearer::User(user)),
                None => return Ok(None),
            },
            AccessKeyOwner::Service(name) => match ActingService::find(name) {
                Some(service) => {
                    let name = service.regional_name(region);
                    let principal = Principal::service(partition, &name);
                    (Arc::new(principal), Bearer::Service(service))
                }
                None => return Ok(None),
            },
            AccessKeyOwner::Agent { region, id } => {
                let agent = Agent {
                    region: *region,
                    account,
                    id: Some(id.clone()),
                };
                let principal = Arc::new(Principal::service(partition, &agent.name()));
                (principal, Bearer::Agent(agent))
            }
        };
        let identity = (principal, (partition, account));
        Self::load(directory, identity, Credential::AccessKey(key), bearer)
            .await
            .map(Some)
    }

    /// The caller whose signature with these temporary credentials was verified; none if the
    /// user or role is gone.
    ///
    /// # Errors
    /// As [`of_access_key`](Self::of_access_key).
    pub(crate) async fn of_session(
        directory: &Directory,
        session: Arc<SessionUnit>,
    ) -> Result<Option<Self>, ReadError> {
        for _ in 1..TRIES {
            let found = Self::bearer_of(directory, Arc::clone(&session)).await;
            if !matches!(found, Err(ReadError::Missing { .. })) {
                return found;
            }
        }
        Self::bearer_of(directory, session).await
    }

    async fn bearer_of(
        directory: &Directory,
        session: Arc<SessionUnit>,
    ) -> Result<Option<Self>, ReadError> {
        let home = (session.partition(), session.account());
        let of_root = matches!(
            session.subject(),
            Subject::Root | Subject::Federated { issuer: None, .. }
        );
        if of_root
            && !directory
                .root_session_counts(home.0, home.1, session.issued())
                .await?
        {
            return Ok(None);
        }
        let Some((principal, bearer)) = subject(directory, home, session.subject()).await? else {
            return Ok(None);
        };
        let identity = (principal, home);
        Self::load(directory, identity, Credential::Session(session), bearer)
            .await
            .map(Some)
    }

    /// Whom a provider of that account vouches for, by a token that was verified.
    ///
    /// # Errors
    /// When the account's place in an organization cannot be read.
    pub(crate) async fn of_web_identity(
        directory: &Directory,
        (partition, account): Home,
        identity: WebIdentity,
    ) -> Result<Self, ReadError> {
        let token = &identity.token;
        let provider = identity.federation.provider_arn.as_str();
        let named = (provider, token.audience(), token.subject());
        let principal = Arc::new(Principal::web_identity(partition, account, named));
        Ok(Self {
            principal,
            home: (partition, account),
            credential: Credential::WebIdentity(Arc::new(identity)),
            bearer: Bearer::Nobody,
            groups: Vec::new(),
            managed: Vec::new(),
            boundary: None,
            session_managed: Vec::new(),
            session_void: None,
            merged_tags: None,
            membership: directory.own_membership((partition, account)).await?,
            through: Vec::new(),
        })
    }

    /// An agent that registers with a token of that account and Region, which was verified.
    pub(crate) fn of_new_agent(region: Region, account: AccountId) -> Self {
        let agent = Agent {
            region,
            account,
            id: None,
        };
        let principal = Principal::service(region.partition(), &agent.name());
        let home = (region.partition(), account);
        Self::of_nobodys_policies(principal, home, Bearer::Agent(agent))
    }

    /// A service by itself, in whose name an API of this server calls in that Region.
    pub(crate) fn of_service(service: &'static ActingService, region: Region, home: Home) -> Self {
        let name = service.regional_name(region);
        let principal = Principal::service(region.partition(), &name);
        Self::of_nobodys_policies(principal, home, Bearer::Service(service))
    }

    /// Nobody that is known, who asks for something in an account.
    pub(crate) fn anonymous(home: Home) -> Self {
        Self::of_nobodys_policies(Principal::anonymous(home.0), home, Bearer::Nobody)
    }

    /// Who signed nothing, and whom no policy of an account speaks for.
    fn of_nobodys_policies(principal: Principal, home: Home, bearer: Bearer) -> Self {
        Self {
            principal: Arc::new(principal),
            home,
            credential: Credential::None,
            bearer,
            groups: Vec::new(),
            managed: Vec::new(),
            boundary: None,
            session_managed: Vec::new(),
            session_void: None,
            merged_tags: None,
            membership: None,
            through: Vec::new(),
        }
    }

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

    async fn load(
        directory: &Directory,
        (principal, home): (Arc<Principal>, Home),
        credential: Credential,
        bearer: Bearer,
    ) -> Result<Self, ReadError> {
        let (mut groups, mut managed, mut boundary) = (Vec::new(), Vec::new(), None);
        let (attached, bound): (&[ManagedPolicyRef], Option<&ManagedPolicyRef>) = match &bearer {
            Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => (&[], None),
            Bearer::User(user) => {
                let record = user.record();
                for id in &record.groups {
                    groups.push(directory.group_of_user(home, id).await?);
                }
                (&record.attached_policies, record.boundary.as_ref())
            }
            Bearer::Role(role) => {
                let record = role.record();
                (&record.attached_policies, record.boundary.as_ref())
            }
        };
        for policy in attached {
            managed.push(directory.attached_policy(home, policy).await?);
        }
        for group in &groups {
            for policy in &group.record().attached_policies {
                managed.push(directory.attached_policy(home, policy).await?);
            }
        }
        if let Some(bound) = bound {
            boundary = Some(directory.attached_policy(home, bound).await?);
        }
        let (mut session_managed, mut session_void) = (Vec::new(), None);
        let mut merged_tags = None;
        if let Credential::Session(session) = &credential {
            if let Some(policies) = session.policies() {
                for policy in &policies.record.managed {
                    // One that is gone allows nothing, and could not be told from one that never
                    // allowed; but it may have denied, so the whole set is void without it.
                    match directory.managed_policy(&policy.arn).await? {
                        Some(found) if *found.id() == policy.id => session_managed.push(found),
                        Some(_) | None => session_void = Some(Arc::new(Void::of(&policy.arn)?)),
                    }
                }
            }
            let own = bearer_tags(&bearer);
            if !own.is_empty() && !session.tags().is_empty() {
                merged_tags = Some(merge(own, session.tags()));
            }
        }
        // A service is in no organization, wherever its credentials are kept.
        let membership = match principal.account() {
            Some(_) => directory.own_membership(home).await?,
            None => None,
        };
        Ok(Self {
            principal,
            home,
            credential,
            bearer,
            groups,
            managed,
            boundary,
            session_managed,
            session_void,
            merged_tags,
            membership,
            through: Vec::new(),
        })
    }

    /// The identity.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Where its credentials stand: of everybody but a service, where it lives.
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
            Credential::WebIdentity(_) | Credential::None => None,
        }
    }

    /// `aws:userid`.
    pub fn user_id(&self) -> Cow<'_, str> {
        self.principal.user_id()
    }

    /// The session, if the credentials are temporary.
    pub fn session(&self) -> Option<&SessionUnit> {
        match &self.credential {
            Credential::AccessKey(_) | Credential::WebIdentity(_) | Credential::None => None,
            Credential::Session(session) => Some(session),
        }
    }

    /// The service that acts for the caller, and the one key it may use.
    pub fn forwarded(&self) -> Option<&Forwarded> {
        self.session().and_then(SessionUnit::forwarded)
    }

    /// The same caller, for whom a service calls another.
    pub(crate) fn through(&self, service: &'static ActingService) -> Self {
        let mut caller = self.clone();
        caller.through.push(service);
        caller
    }

    /// The services that act for the caller, the first one first; none if it calls by itself.
    pub fn acting(&self) -> impl DoubleEndedIterator<Item = &'static ActingService> {
        let forwarded = self.forwarded();
        let first = forwarded.and_then(|forwarded| ActingService::find(&forwarded.service));
        first.into_iter().chain(self.through.iter().copied())
    }

    /// Whether a service makes the call for the caller.
    pub fn is_acted_for(&self) -> bool {
        self.forwarded().is_some() || !self.through.is_empty()
    }

    /// The service whose call this is: by itself, or for the caller.
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
            Credential::AccessKey(_) | Credential::Session(_) | Credential::None => None,
        }
    }

    /// Whose policies speak for the caller.
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

    /// The policies on the caller's side, for one question.
    pub fn in_play(&self) -> InPlay<'_> {
        let own: &[(String, Policy)] = match &self.bearer {
            Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => &[],
            Bearer::User(user) => user.policies(),
            Bearer::Role(role) => role.policies(),
        };
        let groups = self.groups.iter().flat_map(|group| group.policies());
        let inline = own.iter().chain(groups).map(|(name, policy)| Attached {
            policy,
            name: Name::Inline(name),
        });
        let attached = self.managed.iter().map(|policy| managed(policy));
        let session = self.session().and_then(SessionUnit::policies);
        InPlay {
            identity: inline.chain(attached).collect(),
            boundary: self.boundary.as_deref().map(managed),
            session: session.map(|policies| {
                let inline = policies.inline.iter().map(|policy| Attached {
                    policy,
                    name: Name::Inline("session"),
                });
                let named = self.session_managed.iter().map(|policy| managed(policy));
                let void = self.session_void.iter().map(|void| Attached {
                    policy: &void.policy,
                    name: Name::Arn(&void.arn),
                });
                inline.chain(named).chain(void).collect()
            }),
            scps: self
                .limits()
                .iter()
                .map(|level| level.iter().map(|policy| control(policy)).collect())
                .collect(),
        }
    }

    /// The service control policies over the caller, by level: over principals of its account,
    /// which a service is not, nor who has no identity here.
    fn limits(&self) -> &[Vec<Arc<ControlPolicy>>] {
        match &self.bearer {
            Bearer::Root | Bearer::User(_) | Bearer::Role(_) => self
                .membership
                .as_ref()
                .map(Membership::scps)
                .unwrap_or_default(),
            Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => &[],
        }
    }

    /// Writes the generations of the records that the caller's policies stand in.
    pub fn describe_generations(&self, policies: &mut Writer<'_>) {
        match &self.credential {
            Credential::AccessKey(key) => {
                policies.hexadecimal("accessKey", key.generation().as_bytes());
            }
            Credential::WebIdentity(identity) => {
                policies.hexadecimal("identityProvider", identity.generation.as_bytes());
            }
            Credential::Session(_) | Credential::None => {}
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

/// A managed policy that a session was made with and that is gone. Nobody knows any more what it
/// denied, so it denies everything.
#[derive(Debug)]
struct Void {
    arn: String,
    policy: Policy,
}

impl Void {
    fn of(arn: &str) -> Result<Self, ReadError> {
        const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let document = Document::parse(NOTHING, PolicyKind::ManagedIdentity);
        let document = document.map_err(ReadError::other)?;
        Ok(Self {
            arn: arn.to_owned(),
            policy: Policy::compile(&document, &Bindings::default()),
        })
    }
}

/// The identity of a session and whose policies speak for it; none if user or role are gone.
async fn subject(
    directory: &Directory,
    (partition, account): Home,
    subject: &Subject,
) -> Result<Option<(Arc<Principal>, Bearer)>, ReadError> {
    Ok(match subject {
        Subject::Root => Some((Arc::new(Principal::root(partition, account)), Bearer::Root)),
        Subject::User(id) => directory
            .user(partition, account, id)
            .await?
            .map(|user| (Arc::clone(user.principal()), Bearer::User(user))),
        Subject::Role { id, session } => directory
            .role((partition, account), id)
            .await?
            .map(|role| (Arc::new(role.session(session)), Bearer::Role(role))),
        Subject::Federated { name, issuer: None } => {
            let principal = Principal::federated_user(partition, account, name, None);
            Some((Arc::new(principal), Bearer::Root))
        }
        Subject::Federated {
            name,
            issuer: Some(issuer),
        } => directory
            .user(partition, account, issuer)
            .await?
            .map(|user| {
                let issuer = Some(issuer.clone());
                let principal = Principal::federated_user(partition, account, name, issuer);
                (Arc::new(principal), Bearer::User(user))
            }),
    })
}

fn bearer_tags(bearer: &Bearer) -> &[Tag] {
    match bearer {
        Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => &[],
        Bearer::User(user) => &user.record().tags,
        Bearer::Role(role) => &role.record().tags,
    }
}

/// The tags of `own`, each overridden by one of `session` with the same key, without regard to
/// case.
fn merge(own: &[Tag], session: &[Tag]) -> Vec<Tag> {
    let overridden = |tag: &Tag| {
        let key = tag.key.to_lowercase();
        session.iter().any(|other| other.key.to_lowercase() == key)
    };
    let kept = own.iter().filter(|tag| !overridden(tag));
    kept.chain(session).cloned().collect()
}

fn managed(policy: &ManagedPolicyUnit) -> Attached<'_> {
    Attached {
        policy: policy.policy(),
        name: Name::Arn(policy.arn()),
    }
}

/// An organization's policy, as the evaluator takes it.
pub(crate) fn control(policy: &ControlPolicy) -> Attached<'_> {
    Attached {
        policy: policy.policy(),
        name: Name::Arn(policy.arn()),
    }
}

/// The policies on the caller's side, for one question.
#[derive(Debug)]
pub struct InPlay<'a> {
    identity: SmallVec<[Attached<'a>; 8]>,
    boundary: Option<Attached<'a>>,
    session: Option<SmallVec<[Attached<'a>; 4]>>,
    /// By level.
    scps: Vec<SmallVec<[Attached<'a>; 2]>>,
}

impl InPlay<'_> {
    /// The service control policies by level, as the evaluator takes them.
    pub fn levels(&self) -> Vec<&[Attached<'_>]> {
        self.scps.iter().map(SmallVec::as_slice).collect()
    }

    /// As the evaluator takes them, with what stands around both sides: service control policies
    /// by level, and the resource control policies.
    pub fn policies<'p>(
        &'p self,
        scps: &'p [&'p [Attached<'p>]],
        rcps: &'p [Attached<'p>],
    ) -> Policies<'p> {
        Policies {
            identity: &self.identity,
            boundary: self.boundary,
            session: self.session.as_deref(),
            scps,
            rcps,
            endpoint: None,
        }
    }
}
