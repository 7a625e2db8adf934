//! IAM's units by id, name or ARN.

mod names;

use std::{collections::BTreeMap, sync::Arc};

use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
};
use keyward_store::{
    cache::Cache,
    node::Invalidate,
    sealed::{NameHash, Purpose, Record},
};
use keyward_types::{
    account::AccountId, arn::ArnParts, partition::Partition, principal::Principal,
    unique_id::UniqueId,
};
use serde::de::DeserializeOwned;

pub use self::names::NameKind;
use crate::directory::{
    Directory, ReadError, aws_policies, cache, paths, purpose,
    records::{
        self, UserRecord,
        identity::{
            GroupRecord, ManagedPolicyRecord, ManagedPolicyRef, NameRecord, OidcProviderRecord,
            PrincipalIdRecord, RoleRecord,
        },
    },
    units::identity::{GroupUnit, ManagedPolicyUnit, OidcProviderUnit, RoleUnit, UserUnit},
};

/// The caches of IAM's units.
#[derive(Debug)]
pub(super) struct Identities {
    users: Arc<Cache<UserUnit>>,
    roles: Arc<Cache<RoleUnit>>,
    groups: Arc<Cache<GroupUnit>>,
    policies: Arc<Cache<ManagedPolicyUnit>>,
    providers: Arc<Cache<OidcProviderUnit>>,
    names: Arc<Cache<NameRecord>>,
    ids: Arc<Cache<PrincipalIdRecord>>,
}

impl Identities {
    /// Empty caches for so many units each.
    pub fn new(units: usize) -> Self {
        Self {
            users: cache("users", units, |path| path.with("user", 3)),
            roles: cache("roles", units, |path| path.with("role", 3)),
            groups: cache("groups", units, |path| path.with("group", 3)),
            policies: cache("managed policies", units, |path| path.with("policy", 3)),
            providers: cache("identity providers", units, |path| {
                path.with("oidc-provider", 3)
            }),
            names: cache("names", units, |path| {
                let named = [
                    "user-name",
                    "role-name",
                    "group-name",
                    "policy-name",
                    "instance-profile-name",
                ];
                named.iter().find_map(|word| path.with(word, 3))
            }),
            ids: cache("principal ids", units, |path| path.with("principal-id", 0)),
        }
    }

    /// Every cache, for the node.
    pub fn caches(&self) -> [Arc<dyn Invalidate>; 7] {
        [
            Arc::clone(&self.users) as _,
            Arc::clone(&self.roles) as _,
            Arc::clone(&self.groups) as _,
            Arc::clone(&self.policies) as _,
            Arc::clone(&self.providers) as _,
            Arc::clone(&self.names) as _,
            Arc::clone(&self.ids) as _,
        ]
    }
}

/// Where somebody lives.
pub type Home = (Partition, AccountId);

impl Directory {
    /// A user, by its unique id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn user(
        &self,
        partition: Partition,
        account: AccountId,
        id: &UniqueId,
    ) -> Result<Option<Arc<UserUnit>>, ReadError> {
        let text = paths::user_text(partition, account, id);
        if let Some(known) = self.identities.users.peek(text.as_str()) {
            return Ok(known.filter(|user| user.counts()));
        }
        let path = paths::user(partition, account, id);
        let found = self
            .identities
            .users
            .get(self.reader(), &path, |record: Record| async move {
                let home = (partition, account);
                let read = (NameKind::User, purpose::USER);
                let named = self.named::<UserRecord>(record, read, home);
                let (user, record, counts) = named.await?;
                let policies = compile_inline(&record, &user.inline_policies)?;
                let principal =
                    Principal::user(partition, account, &user.path, &user.name, user.id.clone());
                let written = (record.generation, record.revision);
                let unit = UserUnit::new(principal, user, policies, written);
                Ok::<_, ReadError>(unit.counting(counts))
            })
            .await?;
        Ok(found.filter(|user| user.counts()))
    }

    /// A user or role that was read, and whether it counts: only if the records of its unique id
    /// and of its name lead to it. One that was deleted and put back alone has neither. They are
    /// read from the store after it, and it is read again if it was changed in between.
    async fn named<R: Identity>(
        &self,
        mut record: Record,
        (kind, purpose): (NameKind, Purpose),
        home: Home,
    ) -> Result<(R, Record, bool), ReadError> {
        let sealed = self.node().sealed();
        loop {
            let identity: R = records::decode(record.bytes_of(purpose)?)?;
            if self.leads_to(home, kind, &identity).await? {
                return Ok((identity, record, true));
            }
            let again = sealed.get(&record.path).await?.value;
            match again.filter(|again| again.revision != record.revision) {
                Some(changed) => record = changed,
                None => {
                    tracing::error!(path = %record.path, "a user or role is refused, since its name or unique id does not lead to it");
                    return Ok((identity, record, false));
                }
            }
        }
    }

    async fn leads_to(
        &self,
        home: Home,
        kind: NameKind,
        identity: &impl Identity,
    ) -> Result<bool, ReadError> {
        let sealed = self.node().sealed();
        let path = paths::principal_id(identity.unique_id());
        let Some(lives) = sealed.get(&path).await?.value else {
            return Ok(false);
        };
        let lives: PrincipalIdRecord = records::decode(lives.bytes_of(purpose::PRINCIPAL_ID)?)?;
        let path = self.name_path(kind, home, identity.own_name());
        let Some(leads) = sealed.get(&path).await?.value else {
            return Ok(false);
        };
        let leads: NameRecord = records::decode(leads.bytes_of(kind.purpose())?)?;
        Ok((lives.partition, lives.account) == home && leads.id == *identity.unique_id())
    }

    /// A user, by its name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn user_by_name(
        &self,
        partition: Partition,
        account: AccountId,
        name: &str,
    ) -> Result<Option<Arc<UserUnit>>, ReadError> {
        match self
            .id_of_name(NameKind::User, (partition, account), name)
            .await?
        {
            Some(id) => self.user(partition, account, &id).await,
            None => Ok(None),
        }
    }

    /// A role, by its unique id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn role(
        &self,
        (partition, account): Home,
        id: &UniqueId,
    ) -> Result<Option<Arc<RoleUnit>>, ReadError> {
        let text = paths::role_text(partition, account, id);
        if let Some(known) = self.identities.roles.peek(text.as_str()) {
            return Ok(known.filter(|role| role.counts()));
        }
        let path = paths::role(partition, account, id);
        let found = self
            .identities
            .roles
            .get(self.reader(), &path, |record: Record| async move {
                let home = (partition, account);
                let read = (NameKind::Role, purpose::ROLE);
                let named = self.named::<RoleRecord>(record, read, home);
                let (role, record, counts) = named.await?;
                let policies = compile_inline(&record, &role.inline_policies)?;
                let trust = Document::parse(&role.trust.text, PolicyKind::Trust)
                    .map_err(|_| unreadable(&record))?;
                let trust = Policy::compile(&trust, &role.trust.principals);
                let written = (record.generation, record.revision);
                let unit = RoleUnit::new(home, role, trust, policies, written);
                Ok::<_, ReadError>(unit.counting(counts))
            })
            .await?;
        Ok(found.filter(|role| role.counts()))
    }

    /// A role, by its name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn role_by_name(
        &self,
        home: Home,
        name: &str,
    ) -> Result<Option<Arc<RoleUnit>>, ReadError> {
        match self.id_of_name(NameKind::Role, home, name).await? {
            Some(id) => self.role(home, &id).await,
            None => Ok(None),
        }
    }

    /// A group, by its unique id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn group(
        &self,
        (partition, account): Home,
        id: &UniqueId,
    ) -> Result<Option<Arc<GroupUnit>>, ReadError> {
        let path = paths::group(partition, account, id);
        self.identities
            .groups
            .get(self.reader(), &path, |record: Record| async move {
                let group: GroupRecord = records::decode(record.bytes_of(purpose::GROUP)?)?;
                let policies = compile_inline(&record, &group.inline_policies)?;
                let written = (record.generation, record.revision);
                let home = (partition, account);
                Ok::<_, ReadError>(GroupUnit::new(home, group, policies, written))
            })
            .await
    }

    /// A group that a user names. Only a group without members is deleted, so it is there; that it
    /// is not is an error, since it may have denied.
    ///
    /// # Errors
    /// When it cannot be read or is not there.
    pub async fn group_of_user(
        &self,
        home: Home,
        id: &UniqueId,
    ) -> Result<Arc<GroupUnit>, ReadError> {
        match self.group(home, id).await? {
            Some(group) => Ok(group),
            None => Err(ReadError::Missing {
                path: paths::group(home.0, home.1, id),
            }),
        }
    }

    /// A group, by its name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn group_by_name(
        &self,
        home: Home,
        name: &str,
    ) -> Result<Option<Arc<GroupUnit>>, ReadError> {
        match self.id_of_name(NameKind::Group, home, name).await? {
            Some(id) => self.group(home, &id).await,
            None => Ok(None),
        }
    }

    /// A managed policy by its ARN: one of AWS's own, or a customer's. A customer's is found only
    /// in the account of its ARN.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn managed_policy(
        &self,
        arn: &str,
    ) -> Result<Option<Arc<ManagedPolicyUnit>>, ReadError> {
        if let Some(aws) = aws_policies::find(arn) {
            return Ok(Some(aws));
        }
        let Some((home, name)) = policy_name_of(arn) else {
            return Ok(None);
        };
        let Some(id) = self.id_of_name(NameKind::Policy, home, name).await? else {
            return Ok(None);
        };
        let found = self.customer_policy(home, &id).await?;
        // Names are unique without regard to case and path, ARNs are exact.
        Ok(found.filter(|policy| policy.arn() == arn))
    }

    /// A customer managed policy, by its unique id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn customer_policy(
        &self,
        (partition, account): Home,
        id: &UniqueId,
    ) -> Result<Option<Arc<ManagedPolicyUnit>>, ReadError> {
        let path = paths::policy(partition, account, id);
        self.identities
            .policies
            .get(self.reader(), &path, |record: Record| async move {
                let policy: ManagedPolicyRecord =
                    records::decode(record.bytes_of(purpose::MANAGED_POLICY)?)?;
                let text = policy.default_text().ok_or_else(|| unreadable(&record))?;
                let document = Document::parse(text, PolicyKind::ManagedIdentity)
                    .map_err(|_| unreadable(&record))?;
                let compiled = Policy::compile(&document, &Bindings::default());
                let written = (record.generation, record.revision);
                let arn = policy.arn(partition, account);
                Ok::<_, ReadError>(ManagedPolicyUnit::customer(arn, compiled, policy, written))
            })
            .await
    }

    /// A managed policy that is attached or a boundary. What is attached cannot be deleted, so it
    /// is there; that it is not is an error, since it may have denied.
    ///
    /// # Errors
    /// When it cannot be read or is not there.
    pub async fn attached_policy(
        &self,
        home: Home,
        attached: &ManagedPolicyRef,
    ) -> Result<Arc<ManagedPolicyUnit>, ReadError> {
        if let Some(aws) = aws_policies::find(&attached.arn) {
            return Ok(aws);
        }
        let found = self.customer_policy(home, &attached.id).await?;
        match found {
            Some(policy) => Ok(policy),
            None => Err(ReadError::Missing {
                path: paths::policy(home.0, home.1, &attached.id),
            }),
        }
    }

    /// An OpenID Connect provider, by its issuer without `https://`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn oidc_provider(
        &self,
        (partition, account): Home,
        host_and_path: &str,
    ) -> Result<Option<Arc<OidcProviderUnit>>, ReadError> {
        let hash = self.oidc_provider_hash((partition, account), host_and_path);
        let path = paths::oidc_provider(partition, account, &hash);
        self.identities
            .providers
            .get(self.reader(), &path, |record: Record| async move {
                let provider: OidcProviderRecord =
                    records::decode(record.bytes_of(purpose::OIDC_PROVIDER)?)?;
                let written = (record.generation, record.revision);
                Ok::<_, ReadError>(OidcProviderUnit::new(provider, written))
            })
            .await
    }

    /// The hash in paths for an issuer.
    pub fn oidc_provider_hash(&self, (partition, account): Home, host_and_path: &str) -> NameHash {
        let home = paths::name_home(partition, account);
        let sealed = self.node().sealed();
        sealed.name_hash(home.as_str(), "oidc provider", host_and_path)
    }

    /// Where the user or role of a unique id lives.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn home_of(&self, id: &UniqueId) -> Result<Option<Home>, ReadError> {
        let path = paths::principal_id(id);
        let found = self
            .identities
            .ids
            .get(self.reader(), &path, |record: Record| async move {
                let bytes = record.bytes_of(purpose::PRINCIPAL_ID)?;
                let lives: PrincipalIdRecord = records::decode(bytes)?;
                Ok::<_, ReadError>(lives)
            })
            .await?;
        Ok(found.map(|lives| (lives.partition, lives.account)))
    }
}

/// The record of a user or role.
trait Identity: DeserializeOwned {
    fn unique_id(&self) -> &UniqueId;
    fn own_name(&self) -> &str;
}

impl Identity for UserRecord {
    fn unique_id(&self) -> &UniqueId {
        &self.id
    }

    fn own_name(&self) -> &str {
        &self.name
    }
}

impl Identity for RoleRecord {
    fn unique_id(&self) -> &UniqueId {
        &self.id
    }

    fn own_name(&self) -> &str {
        &self.name
    }
}

/// The home and name in the ARN of a customer managed policy.
fn policy_name_of(arn: &str) -> Option<(Home, &str)> {
    let parts = ArnParts::parse(arn)?;
    let partition = Partition::parse(parts.partition)?;
    let account = AccountId::parse(parts.account).ok()?;
    let name = parts.resource.strip_prefix("policy/")?.rsplit('/').next()?;
    let whole = parts.service == "iam" && parts.region.is_empty() && !name.is_empty();
    whole.then_some(((partition, account), name))
}

fn compile_inline(
    record: &Record,
    texts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Policy>, ReadError> {
    let compile = |(name, text): (&String, &String)| {
        let document =
            Document::parse(text, PolicyKind::Identity).map_err(|_| unreadable(record))?;
        Ok((
            name.clone(),
            Policy::compile(&document, &Bindings::default()),
        ))
    };
    texts.iter().map(compile).collect()
}

fn unreadable(record: &Record) -> ReadError {
    ReadError::Policy {
        path: record.path.clone(),
    }
}
