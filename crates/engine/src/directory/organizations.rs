//! Organizations, and which one an account is in.

use std::{collections::BTreeMap, sync::Arc};

use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
};
use keyward_store::{
    cache::Cache,
    node::Invalidate,
    path::Path,
    sealed::{NameHash, Record, Sealed},
};
use keyward_types::{organization::ControlPolicyType, partition::Partition};

use crate::directory::{
    Directory, ReadError, cache,
    identities::Home,
    paths, purpose,
    records::{
        self,
        organization::{
            ControlPolicyRecord, EmailRecord, MemberRecord, MembershipRecord, OrganizationRecord,
            OrganizationalUnitRecord,
        },
    },
    units::organization::{ControlPolicy, Membership, OrganizationUnit, Parts},
};

/// How often records are read again that do not agree, since they may have been changed between
/// two reads.
pub const TRIES: usize = 3;

/// The most accounts, organizational units and policies of an organization, together with its
/// head: they are one unit, which one `range` reads.
pub const MAX_RECORDS: usize = 900;

/// The caches of organizations.
#[derive(Debug)]
pub(super) struct Organizations {
    memberships: Arc<Cache<MembershipRecord>>,
    organizations: Arc<Cache<OrganizationUnit>>,
}

impl Organizations {
    /// Empty caches for so many accounts.
    pub fn new(accounts: usize) -> Self {
        Self {
            memberships: cache("memberships", accounts, |path| {
                path.with("organization-membership", 3)
            }),
            organizations: cache("organizations", accounts, |path| {
                path.with("organization", 3).and(path.first(4))
            }),
        }
    }

    /// Every cache, for the node.
    pub fn caches(&self) -> [Arc<dyn Invalidate>; 2] {
        [
            Arc::clone(&self.memberships) as _,
            Arc::clone(&self.organizations) as _,
        ]
    }
}

impl Directory {
    /// An account's place in its organization; `None` if it is in none, or if there is no such
    /// account. It costs one look-up in a cache to know that.
    ///
    /// # Errors
    /// When it cannot be read, and when the records of account and organization do not agree: what
    /// an organization denies must not be lost if one of them is lost.
    pub async fn membership(&self, home: Home) -> Result<Option<Membership>, ReadError> {
        match self.place_of(home).await? {
            Some(place) => Ok(place),
            None if self.account(home.0, home.1).await?.is_none() => Ok(None),
            None => {
                let path = paths::membership(home.0, home.1);
                Err(ReadError::Missing { path })
            }
        }
    }

    /// The place of an account that somebody acts from, so that it is there.
    ///
    /// # Errors
    /// As [`membership`](Self::membership), and when there is no such account.
    pub async fn own_membership(&self, home: Home) -> Result<Option<Membership>, ReadError> {
        let place = self.place_of(home).await?;
        place.ok_or_else(|| ReadError::Missing {
            path: paths::membership(home.0, home.1),
        })
    }

    /// What the record of an account's place contains; nothing if there is no such record.
    async fn place_of(&self, home: Home) -> Result<Option<Option<Membership>>, ReadError> {
        for _ in 0..TRIES {
            let Some(record) = self.membership_record(home).await? else {
                return Ok(None);
            };
            let Some(joined) = &record.organization else {
                return Ok(Some(None));
            };
            let organization = self.organization((home.0, joined.management)).await?;
            // It may have been deleted between the two reads, and another one made.
            let found = organization.filter(|found| found.record().id == joined.id);
            if let Some(organization) = found {
                let listed = Membership::new(organization, home.1);
                let path = part((home.0, joined.management), "account", home.1.as_str())?;
                let listed = listed.ok_or(ReadError::Missing { path })?;
                return Ok(Some(Some(listed)));
            }
        }
        let path = paths::membership(home.0, home.1);
        Err(ReadError::Disagrees { path })
    }

    async fn membership_record(
        &self,
        (partition, account): Home,
    ) -> Result<Option<Arc<MembershipRecord>>, ReadError> {
        let known = &self.organizations.memberships;
        let text = paths::membership_text(partition, account);
        if let Some(found) = known.peek(text.as_str()) {
            return Ok(found);
        }
        let path = paths::membership(partition, account);
        known
            .get(self.reader(), &path, |record: Record| async move {
                let bytes = record.bytes_of(purpose::ORGANIZATION_MEMBERSHIP)?;
                let membership: MembershipRecord = records::decode(bytes)?;
                Ok::<_, ReadError>(membership)
            })
            .await
    }

    /// The organization that an account manages.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn organization(
        &self,
        (partition, management): Home,
    ) -> Result<Option<Arc<OrganizationUnit>>, ReadError> {
        let unit = paths::organization(partition, management);
        self.organizations
            .organizations
            .get_unit(self.reader(), &unit, |records: Vec<Record>| async {
                let records = records;
                load(partition, &unit, &records).map(Some)
            })
            .await
    }

    /// The hash in paths for an e-mail address.
    pub fn email_hash(&self, partition: Partition, email: &str) -> NameHash {
        email_hash(self.node().sealed(), partition, email)
    }

    /// Whose an e-mail address is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn account_of_email(
        &self,
        partition: Partition,
        email: &str,
    ) -> Result<Option<EmailRecord>, ReadError> {
        let path = paths::account_email(partition, &self.email_hash(partition, email));
        match self.node().sealed().get(&path).await?.value {
            Some(record) => {
                let bytes = record.bytes_of(purpose::ACCOUNT_EMAIL)?;
                Ok(Some(records::decode(bytes)?))
            }
            None => Ok(None),
        }
    }
}

/// The hash in paths for an e-mail address: addresses are the same whatever their case, and unique
/// in a partition.
pub fn email_hash(sealed: &Sealed, partition: Partition, email: &str) -> NameHash {
    sealed.name_hash(partition.as_str(), "account email", &email.to_lowercase())
}

/// The path of a record of an organization's unit.
///
/// # Errors
/// Never for what is parsed.
pub fn part(home: Home, kind: &str, id: &str) -> Result<Path, ReadError> {
    let unit = paths::organization(home.0, home.1);
    Ok(unit.child(kind)?.child(id)?)
}

fn load(
    partition: Partition,
    unit: &Path,
    records: &[Record],
) -> Result<OrganizationUnit, ReadError> {
    let unreadable = |record: &Record| ReadError::Policy {
        path: record.path.clone(),
    };
    let mut head = None;
    let (mut units, mut accounts, mut texts) = (BTreeMap::new(), Vec::new(), Vec::new());
    for record in records {
        match record.path.segments().nth(4) {
            Some("head") => {
                let written = (record.generation, record.revision);
                let bytes = record.bytes_of(purpose::ORGANIZATION)?;
                head = Some((records::decode::<OrganizationRecord>(bytes)?, written));
            }
            Some("unit") => {
                let bytes = record.bytes_of(purpose::ORGANIZATIONAL_UNIT)?;
                let unit: OrganizationalUnitRecord = records::decode(bytes)?;
                units.insert(unit.id.clone(), unit);
            }
            Some("account") => {
                let bytes = record.bytes_of(purpose::ORGANIZATION_ACCOUNT)?;
                accounts.push(records::decode::<MemberRecord>(bytes)?);
            }
            Some("policy") => {
                let bytes = record.bytes_of(purpose::CONTROL_POLICY)?;
                texts.push((record, records::decode::<ControlPolicyRecord>(bytes)?));
            }
            Some(_) | None => return Err(unreadable(record)),
        }
    }
    let missing = || ReadError::Missing { path: unit.clone() };
    let head = head.ok_or_else(missing)?;
    let mut policies = Vec::with_capacity(texts.len());
    for (record, text) in texts {
        let kind = match text.kind {
            ControlPolicyType::Service => PolicyKind::Scp,
            ControlPolicyType::Resource => PolicyKind::Rcp,
        };
        let document = Document::parse(&text.text, kind).map_err(|_| unreadable(record))?;
        let policy = Policy::compile(&document, &Bindings::default());
        let arn = policy_arn(partition, &head.0, &text);
        policies.push(ControlPolicy::new(arn, text, policy, record.generation));
    }
    let parts = Parts {
        partition,
        head,
        units,
        accounts,
        policies,
    };
    OrganizationUnit::new(parts).ok_or_else(missing)
}

/// The ARN of an organization's own policy.
pub fn policy_arn(
    partition: Partition,
    organization: &OrganizationRecord,
    policy: &ControlPolicyRecord,
) -> String {
    let thing = format!("{}/{}", policy.kind.in_arn(), policy.id);
    organization.arn_of(partition, "policy", &thing)
}
