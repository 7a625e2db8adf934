//! How a caller is built once its signature, its token or its service is known.

use std::{collections::BTreeMap, sync::Arc};

use keyward_oidc::issuers::VerifiedToken;
use keyward_types::{
    account::AccountId, principal::Principal, region::Region, storage::AgentId, tag::Tag,
    unique_id::UniqueId, via_service::ActingService,
};

use super::{Agent, Bearer, Caller, Credential, WebIdentity, bearer_tags, in_play::Void};
use crate::{
    directory::{
        Directory, ReadError,
        identities::Home,
        organizations::TRIES,
        records::{AccessKeyOwner, identity::ManagedPolicyRef},
        units::{AccessKeyUnit, identity::OidcProviderUnit},
    },
    session::{Federation, SessionUnit, Subject},
};

impl WebIdentity {
    /// The claims of a token that was verified for a provider of that account.
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
    /// The caller whose signature with this access key was verified; `None` if its owner is gone.
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

    /// The user whose signature with an access key of Cloudera's protocol was verified; none if the user is gone.
    ///
    /// # Errors
    /// As [`of_access_key`](Self::of_access_key).
    pub(crate) async fn of_altus_key(
        directory: &Directory,
        home: Home,
        (user, key): (&UniqueId, &str),
    ) -> Result<Option<Self>, ReadError> {
        let mut tries = 1..TRIES;
        loop {
            let Some(found) = directory.user(home.0, home.1, user).await? else {
                return Ok(None);
            };
            let identity = (Arc::clone(found.principal()), home);
            let credential = Credential::Altus(key.into());
            let loaded = Self::load(directory, identity, credential, Bearer::User(found)).await;
            if !matches!(loaded, Err(ReadError::Missing { .. })) || tries.next().is_none() {
                return loaded.map(Some);
            }
        }
    }

    /// The caller whose signature with these temporary credentials was verified; `None` if the user
    /// or role is gone.
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

    /// A service on its own behalf, in whose name an API of this server calls in that Region.
    pub(crate) fn of_service(service: &'static ActingService, region: Region, home: Home) -> Self {
        let name = service.regional_name(region);
        let principal = Principal::service(region.partition(), &name);
        Self::of_nobodys_policies(principal, home, Bearer::Service(service))
    }

    /// An unknown caller who asks for something in an account.
    pub(crate) fn anonymous(home: Home) -> Self {
        Self::of_nobodys_policies(Principal::anonymous(home.0), home, Bearer::Nobody)
    }

    /// A caller without a signature, for whom no policy of an account allows anything.
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
                    // A deleted policy allows nothing, which makes no difference. But it may have
                    // denied something, so the whole set is void without it.
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
}

/// The identity of a session and whose policies speak for it; `None` if user or role are gone.
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
