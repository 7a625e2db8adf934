//! The organization itself.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html>

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        organizations::part,
        purpose,
        records::{
            self, V1,
            organization::{InOrganization, MemberRecord, MembershipRecord, OrganizationRecord},
        },
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::{
    organization::{OrganizationId, Parent, RootId},
    partition::Partition,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Organizations, fault::OrganizationsFault, paths, render, standing::Standing};

/// The most organizational units and policies that go with their organization at once.
const MOST_AT_ONCE: usize = 90;

/// An organization, as its operations show it.
#[derive(Debug)]
pub struct OrganizationShown {
    partition: Partition,
    record: OrganizationRecord,
    email: Option<String>,
}

impl Output<Organizations> for OrganizationShown {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("Organization", |organization| {
            let shown = (self.partition, &self.record);
            render::organization(shown, self.email.as_deref(), organization);
        });
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("organization", |organization| {
            organization.string("id", self.record.id.as_str());
            organization.string("arn", &self.record.arn(self.partition));
            organization.string("featureSet", "ALL");
            organization.string("masterAccountId", self.record.management.as_str());
        });
    }
}

/// `CreateOrganization`: the caller's account manages it.
#[derive(Debug)]
pub struct CreateOrganization;

keyward_types::action!("organizations": CreateOrganization = "organizations:CreateOrganization");

impl Operation for CreateOrganization {
    const NAME: &'static str = "CreateOrganization";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("FeatureSet")];
    type Api = Organizations;
    type Output = OrganizationShown;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        let mut m = Members::of(body);
        let sets = &["ALL", "CONSOLIDATED_BILLING"];
        let set = m.enumeration("FeatureSet", sets).optional();
        m.finish()?;
        if set == Some("CONSOLIDATED_BILLING") {
            let message = "FeatureSet CONSOLIDATED_BILLING is not supported by this version of Keyward, which bills nothing.";
            return Err(OrganizationsFault::Unsupported {
                message: message.to_owned(),
            });
        }
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<OrganizationShown>, OrganizationsFault> {
        if Standing::of(cx).await?.is_member() {
            return Err(OrganizationsFault::AlreadyInOrganization);
        }
        let account = cx.directory().account(cx.partition(), cx.account()).await?;
        let absent = || OrganizationsFault::internal("the caller's account has no record");
        let (account, _) = account.ok_or_else(absent)?;
        let home = cx.caller.home();
        let record = OrganizationRecord {
            version: V1,
            id: OrganizationId::from_random(random::array()),
            management: account.account,
            created: cx.now,
            root: RootId::from_random(random::array()),
            root_tags: Vec::new(),
            // Neither type of policy is enabled until somebody does so.
            service_control: None,
            resource_control: None,
            service_access: BTreeMap::new(),
        };
        let name = account.name.as_deref();
        let member = MemberRecord {
            version: V1,
            account: account.account,
            name: name.unwrap_or(account.account.as_str()).to_owned(),
            email: account.email.clone(),
            parent: Parent::Root(record.root.clone()),
            created_here: false,
            joined: cx.now,
            tags: Vec::new(),
        };
        let membership = MembershipRecord {
            version: V1,
            organization: Some(InOrganization {
                id: record.id.clone(),
                management: account.account,
            }),
        };
        let mut batch = cx.batch();
        let absent = Precondition::Absent;
        let bytes = records::encode(&record)?;
        batch.put(
            paths::organization_head(home.0, home.1),
            purpose::ORGANIZATION,
            &bytes,
            absent,
        )?;
        let path = part(home, "account", account.account.as_str())?;
        let bytes = records::encode(&member)?;
        batch.put(path, purpose::ORGANIZATION_ACCOUNT, &bytes, absent)?;
        let path = paths::membership(home.0, home.1);
        let bytes = records::encode(&membership)?;
        let any = Precondition::Any;
        batch.put(path, purpose::ORGANIZATION_MEMBERSHIP, &bytes, any)?;
        let output = OrganizationShown {
            partition: home.0,
            record,
            email: account.email.clone(),
        };
        Ok(Done::changed(output, batch))
    }
}

/// `DescribeOrganization`: every member may ask.
#[derive(Debug)]
pub struct DescribeOrganization;

keyward_types::action!("organizations": DescribeOrganization = "organizations:DescribeOrganization");

impl Operation for DescribeOrganization {
    const NAME: &'static str = "DescribeOrganization";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Api = Organizations;
    type Output = OrganizationShown;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(_body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<OrganizationShown>, OrganizationsFault> {
        let standing = Standing::of(cx).await?;
        let organization = standing.member()?.organization();
        let record = organization.record().clone();
        let management = organization.accounts().get(&record.management);
        Ok(Done::unchanged(OrganizationShown {
            partition: organization.partition(),
            email: management.and_then(|member| member.record().email.clone()),
            record,
        }))
    }
}

/// `DeleteOrganization`: when no other account is in it.
#[derive(Debug)]
pub struct DeleteOrganization;

keyward_types::action!("organizations": DeleteOrganization = "organizations:DeleteOrganization");

impl Operation for DeleteOrganization {
    const NAME: &'static str = "DeleteOrganization";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[];
    type Api = Organizations;
    type Output = Empty;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(_body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let standing = Standing::of(cx).await?;
        let organization = standing.managed()?;
        if organization.accounts().len() > 1 {
            let message = "To delete the organization, you must first remove all accounts except the management account.";
            return Err(OrganizationsFault::OrganizationNotEmpty { message });
        }
        if organization.units().len() + organization.policies().len() > MOST_AT_ONCE {
            let message = "To delete the organization, you must first delete its organizational units and policies: it has more than are deleted at once.";
            return Err(OrganizationsFault::OrganizationNotEmpty { message });
        }
        let home = cx.caller.home();
        let mut batch = cx.batch();
        let at = Precondition::At(organization.revision());
        batch.delete(paths::organization_head(home.0, home.1), at)?;
        let account = part(home, "account", home.1.as_str())?;
        batch.delete(account, Precondition::Any)?;
        for unit in organization.units().keys() {
            batch.delete(part(home, "unit", unit.as_str())?, Precondition::Any)?;
        }
        for policy in organization.policies().keys() {
            batch.delete(part(home, "policy", policy.as_str())?, Precondition::Any)?;
        }
        let membership = MembershipRecord {
            version: V1,
            organization: None,
        };
        let path = paths::membership(home.0, home.1);
        let (bytes, any) = (records::encode(&membership)?, Precondition::Any);
        batch.put(path, purpose::ORGANIZATION_MEMBERSHIP, &bytes, any)?;
        Ok(Done::changed(Empty, batch))
    }
}
