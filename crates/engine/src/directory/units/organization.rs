//! An organization as one unit: its tree, its accounts with the policies over them, compiled.

mod control_policy;

use std::{collections::BTreeMap, sync::Arc};

use keyward_store::revision::Revision;
use keyward_types::{
    account::AccountId,
    organization::{
        ControlPolicyId, ControlPolicyType, OrganizationId, OrganizationalUnitId, Parent,
        PolicyTarget,
    },
    partition::Partition,
};
use keyward_wire::json::Writer;

use self::control_policy::describe;
pub use self::control_policy::{ControlPolicy, full_access};
use crate::directory::{
    records::organization::{MemberRecord, OrganizationRecord, OrganizationalUnitRecord},
    units::identity::WrittenAt,
};

/// The most organizational units below each other.
pub const MAX_DEPTH: usize = 5;

/// An account in its organization, with the policies over it.
#[derive(Debug)]
pub struct Member {
    record: MemberRecord,
    /// `o-…/r-…/ou-…/`
    path: String,
    /// By level: root, each organizational unit, account.
    scps: Vec<Vec<Arc<ControlPolicy>>>,
    rcps: Vec<Arc<ControlPolicy>>,
}

impl Member {
    /// Its record.
    pub fn record(&self) -> &MemberRecord {
        &self.record
    }

    /// Where it is: `o-…/r-…/ou-…/`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The parts of an organization's unit.
#[derive(Debug)]
pub(crate) struct Parts {
    pub partition: Partition,
    pub head: (OrganizationRecord, WrittenAt),
    pub units: BTreeMap<OrganizationalUnitId, OrganizationalUnitRecord>,
    pub accounts: Vec<MemberRecord>,
    pub policies: Vec<ControlPolicy>,
}

/// An organization, whole.
#[derive(Debug)]
pub struct OrganizationUnit {
    partition: Partition,
    record: OrganizationRecord,
    written: WrittenAt,
    units: BTreeMap<OrganizationalUnitId, OrganizationalUnitRecord>,
    accounts: BTreeMap<AccountId, Arc<Member>>,
    policies: BTreeMap<ControlPolicyId, Arc<ControlPolicy>>,
}

impl OrganizationUnit {
    /// Puts the parts together; `None` if something names what is not there.
    pub(crate) fn new(parts: Parts) -> Option<Self> {
        let Parts {
            partition,
            head: (record, written),
            units,
            accounts,
            policies,
        } = parts;
        let mut organization = Self {
            partition,
            record,
            written,
            units,
            accounts: BTreeMap::new(),
            policies: policies
                .into_iter()
                .map(|policy| (policy.record().id.clone(), Arc::new(policy)))
                .collect(),
        };
        let members: Option<BTreeMap<AccountId, Arc<Member>>> = accounts
            .into_iter()
            .map(|record| Some((record.account, Arc::new(organization.member_of(record)?))))
            .collect();
        organization.accounts = members?;
        Some(organization)
    }

    fn member_of(&self, record: MemberRecord) -> Option<Member> {
        let line = self.line(&record.parent)?;
        let path = self.path_of(&line);
        let targets = line.into_iter().map(PolicyTarget::from);
        let targets: Vec<PolicyTarget> = targets
            .chain([PolicyTarget::Account(record.account)])
            .collect();
        let of = |kind| {
            let each = targets
                .iter()
                .map(move |target| self.attached(kind, target));
            each.collect::<Option<Vec<_>>>()
        };
        let scps = match self.record.service_control {
            Some(_) => of(ControlPolicyType::Service)?,
            None => Vec::new(),
        };
        let rcps = match self.record.resource_control {
            Some(_) => of(ControlPolicyType::Resource)?,
            None => Vec::new(),
        };
        let limiting = |policy: &Arc<ControlPolicy>| !policy.is_aws_managed();
        Some(Member {
            record,
            path,
            scps,
            rcps: rcps.into_iter().flatten().filter(limiting).collect(),
        })
    }

    /// From the root down to `parent`, that one included; `None` if one of them is not there.
    pub fn line(&self, parent: &Parent) -> Option<Vec<Parent>> {
        let mut line = vec![parent.clone()];
        while let Some(Parent::Unit(unit)) = line.last() {
            if line.len() > MAX_DEPTH + 1 {
                return None;
            }
            line.push(self.units.get(unit)?.parent.clone());
        }
        line.reverse();
        let whole = matches!(line.first(), Some(Parent::Root(root)) if *root == self.record.root);
        whole.then_some(line)
    }

    /// `o-…/r-…/ou-…/`
    pub fn path_of(&self, line: &[Parent]) -> String {
        let mut path = format!("{}/", self.record.id);
        for parent in line {
            path.push_str(parent.as_str());
            path.push('/');
        }
        path
    }

    /// The policies of a type on a target; `None` if the type is not enabled, or one is not there.
    pub fn attached(
        &self,
        kind: ControlPolicyType,
        target: &PolicyTarget,
    ) -> Option<Vec<Arc<ControlPolicy>>> {
        match self.record.attachments(kind)?.get(target) {
            Some(ids) => ids.iter().map(|id| self.policy(id)).collect(),
            None => full_access(self.partition, kind).map(|full| vec![full]),
        }
    }

    /// A policy of the organization, or one of AWS's own.
    pub fn policy(&self, id: &ControlPolicyId) -> Option<Arc<ControlPolicy>> {
        let own = self.policies.get(id).cloned();
        own.or_else(|| {
            let known = ControlPolicyType::ALL.into_iter();
            let mut known = known.filter_map(|kind| full_access(self.partition, kind));
            known.find(|policy| policy.record().id == *id)
        })
    }

    /// Everything that policies are attached to: the root, the organizational units, the
    /// accounts.
    pub fn targets(&self) -> impl Iterator<Item = PolicyTarget> {
        let root = [PolicyTarget::Root(self.record.root.clone())];
        let units = self.units.keys().cloned().map(PolicyTarget::Unit);
        let accounts = self.accounts.keys().copied().map(PolicyTarget::Account);
        root.into_iter().chain(units).chain(accounts)
    }

    /// Whether there is such a root, organizational unit or account.
    pub fn has(&self, target: &PolicyTarget) -> bool {
        match target {
            PolicyTarget::Root(root) => *root == self.record.root,
            PolicyTarget::Unit(unit) => self.units.contains_key(unit),
            PolicyTarget::Account(account) => self.accounts.contains_key(account),
        }
    }

    /// The partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The organization itself.
    pub fn record(&self) -> &OrganizationRecord {
        &self.record
    }

    /// When the unit was last changed.
    pub fn revision(&self) -> Revision {
        self.written.1
    }

    /// The organizational units, by id.
    pub fn units(&self) -> &BTreeMap<OrganizationalUnitId, OrganizationalUnitRecord> {
        &self.units
    }

    /// The accounts, by id.
    pub fn accounts(&self) -> &BTreeMap<AccountId, Arc<Member>> {
        &self.accounts
    }

    /// The organization's own policies, by id.
    pub fn policies(&self) -> &BTreeMap<ControlPolicyId, Arc<ControlPolicy>> {
        &self.policies
    }
}

/// An account's place in its organization.
#[derive(Clone, Debug)]
pub struct Membership {
    organization: Arc<OrganizationUnit>,
    member: Arc<Member>,
}

impl Membership {
    /// The place of an account; `None` if it is not in the organization.
    pub(crate) fn new(organization: Arc<OrganizationUnit>, account: AccountId) -> Option<Self> {
        let member = Arc::clone(organization.accounts.get(&account)?);
        Some(Self {
            organization,
            member,
        })
    }

    /// The organization.
    pub fn organization(&self) -> &Arc<OrganizationUnit> {
        &self.organization
    }

    /// The account in it.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// `aws:PrincipalOrgID`, `aws:ResourceOrgID`.
    pub fn id(&self) -> &OrganizationId {
        &self.organization.record.id
    }

    /// Whether the account is the one that manages the organization, which no policy limits.
    pub fn is_management(&self) -> bool {
        self.member.record.account == self.organization.record.management
    }

    /// The service control policies over the account's principals, by level.
    pub fn scps(&self) -> &[Vec<Arc<ControlPolicy>>] {
        if self.is_management() {
            &[]
        } else {
            &self.member.scps
        }
    }

    /// The resource control policies over the account's resources, but AWS's own, which allows
    /// all.
    pub fn rcps(&self) -> &[Arc<ControlPolicy>] {
        if self.is_management() {
            &[]
        } else {
            &self.member.rcps
        }
    }

    /// Writes the generations of the records that the service control policies are in.
    pub fn describe_generations(&self, policies: &mut Writer<'_>) {
        policies.string("organization", &self.organization.written.0.to_string());
        describe(self.scps().iter().flatten(), policies);
    }

    /// Writes the generations of the records that the resource control policies are in.
    pub fn describe_resource_generations(&self, policies: &mut Writer<'_>) {
        policies.string("organization", &self.organization.written.0.to_string());
        describe(self.rcps().iter(), policies);
    }
}

#[cfg(test)]
mod tests {
    use keyward_policy::{
        document::{Document, PolicyKind},
        policy::Policy,
        principal::Bindings,
    };
    use keyward_store::sealed::Generation;
    use keyward_types::{organization::RootId, time::Timestamp};

    use super::*;
    use crate::directory::records::{
        V1,
        organization::{Attachments, ControlPolicyRecord},
    };

    const MANAGEMENT: &str = "000000000000";
    const MEMBER: &str = "111122223333";

    fn account(id: &str, parent: &Parent) -> MemberRecord {
        MemberRecord {
            version: V1,
            account: AccountId::parse(id).unwrap(),
            name: id.to_owned(),
            email: None,
            parent: parent.clone(),
            created_here: true,
            joined: Timestamp::from_millis(0),
            tags: Vec::new(),
        }
    }

    fn policy(id: &str, kind: ControlPolicyType) -> ControlPolicy {
        let text =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
        let record = ControlPolicyRecord {
            version: V1,
            id: ControlPolicyId::parse(id).unwrap(),
            kind,
            name: id.to_owned(),
            description: String::new(),
            text: text.to_owned(),
            tags: Vec::new(),
        };
        let document = Document::parse(text, PolicyKind::Scp).unwrap();
        let compiled = Policy::compile(&document, &Bindings::default());
        ControlPolicy::new(
            id.to_owned(),
            record,
            compiled,
            Generation::from_bytes([1; 16]),
        )
    }

    /// root ─ outer ─ inner ─ member, with these policies attached.
    fn parts(scps: &[(&str, &[&str])], rcps: Option<&[(&str, &[&str])]>) -> Parts {
        let attachments = |given: &[(&str, &[&str])]| -> Attachments {
            let ids = |ids: &[&str]| {
                ids.iter()
                    .map(|id| ControlPolicyId::parse(id).unwrap())
                    .collect()
            };
            let each = given.iter();
            each.map(|(target, attached)| (PolicyTarget::parse(target).unwrap(), ids(attached)))
                .collect()
        };
        let (root, outer) = (
            Parent::parse("r-root").unwrap(),
            Parent::parse("ou-root-outer000").unwrap(),
        );
        let inner = Parent::parse("ou-root-inner000").unwrap();
        let unit = |id: &Parent, parent: &Parent| {
            let id = OrganizationalUnitId::parse(id.as_str()).unwrap();
            let record = OrganizationalUnitRecord {
                version: V1,
                id: id.clone(),
                name: id.to_string(),
                parent: parent.clone(),
                tags: Vec::new(),
            };
            (id, record)
        };
        let head = OrganizationRecord {
            version: V1,
            id: OrganizationId::parse("o-0123456789").unwrap(),
            management: AccountId::parse(MANAGEMENT).unwrap(),
            created: Timestamp::from_millis(0),
            root: RootId::parse("r-root").unwrap(),
            root_tags: Vec::new(),
            service_control: Some(attachments(scps)),
            resource_control: rcps.map(attachments),
            service_access: BTreeMap::new(),
        };
        Parts {
            partition: Partition::Aws,
            head: (head, (Generation::from_bytes([2; 16]), Revision::new(1))),
            units: [unit(&outer, &root), unit(&inner, &outer)].into(),
            accounts: vec![account(MANAGEMENT, &root), account(MEMBER, &inner)],
            policies: vec![
                policy("p-denies000", ControlPolicyType::Service),
                policy("p-keeps0000", ControlPolicyType::Resource),
            ],
        }
    }

    fn membership(parts: Parts, id: &str) -> Option<Membership> {
        let organization = Arc::new(OrganizationUnit::new(parts)?);
        Membership::new(organization, AccountId::parse(id).unwrap())
    }

    fn ids<'p>(policies: impl IntoIterator<Item = &'p Arc<ControlPolicy>>) -> Vec<&'p str> {
        let policies = policies.into_iter();
        policies.map(|policy| policy.record().id.as_str()).collect()
    }

    #[test]
    fn a_member_is_limited_by_every_level_above_it_and_by_its_own() {
        let scps: &[(&str, &[&str])] = &[
            ("ou-root-outer000", &["p-denies000"]),
            (MEMBER, &["p-FullAWSAccess", "p-denies000"]),
        ];
        let found = membership(parts(scps, None), MEMBER).unwrap();
        let levels: Vec<Vec<&str>> = found.scps().iter().map(ids).collect();
        assert_eq!(
            levels,
            [
                vec!["p-FullAWSAccess"],
                vec!["p-denies000"],
                vec!["p-FullAWSAccess"],
                vec!["p-FullAWSAccess", "p-denies000"],
            ]
        );
        assert!(found.rcps().is_empty());
        assert_eq!(
            found.member().path(),
            "o-0123456789/r-root/ou-root-outer000/ou-root-inner000/"
        );
    }

    #[test]
    fn what_guards_resources_is_what_is_attached_above_them_but_for_aws_own() {
        let rcps: &[(&str, &[&str])] = &[("r-root", &["p-RCPFullAWSAccess", "p-keeps0000"])];
        let found = membership(parts(&[], Some(rcps)), MEMBER).unwrap();
        assert_eq!(ids(found.rcps()), ["p-keeps0000"]);
    }

    #[test]
    fn nothing_limits_the_management_account() {
        let everywhere: &[(&str, &[&str])] =
            &[("r-root", &["p-denies000"]), (MANAGEMENT, &["p-denies000"])];
        let rcps: &[(&str, &[&str])] = &[("r-root", &["p-keeps0000"])];
        let found = membership(parts(everywhere, Some(rcps)), MANAGEMENT).unwrap();
        assert!(found.is_management());
        assert!(found.scps().is_empty() && found.rcps().is_empty());
    }

    #[test]
    fn an_organization_that_names_what_is_not_there_is_none() {
        let gone: &[(&str, &[&str])] = &[("r-root", &["p-0000000000"])];
        assert!(OrganizationUnit::new(parts(gone, None)).is_none());
        let mut lost = parts(&[], None);
        lost.units
            .remove(&OrganizationalUnitId::parse("ou-root-outer000").unwrap());
        assert!(OrganizationUnit::new(lost).is_none());
        let mut ring = parts(&[], None);
        let inner = Parent::parse("ou-root-inner000").unwrap();
        for unit in ring.units.values_mut() {
            unit.parent = inner.clone();
        }
        assert!(OrganizationUnit::new(ring).is_none());
    }

    #[test]
    fn aws_own_policies_stand_in_every_partition() {
        for partition in Partition::ALL {
            for (kind, name) in [
                (ControlPolicyType::Service, "p-FullAWSAccess"),
                (ControlPolicyType::Resource, "p-RCPFullAWSAccess"),
            ] {
                let policy = full_access(partition, kind).unwrap();
                assert_eq!(policy.record().id.as_str(), name);
                let arn = format!(
                    "arn:{partition}:organizations::aws:policy/{}/{name}",
                    kind.in_arn()
                );
                assert_eq!(policy.arn(), arn);
            }
        }
    }
}
