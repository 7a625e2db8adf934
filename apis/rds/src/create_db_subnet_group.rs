//! `CreateDBSubnetGroup`: some of the subnets that the operator configured, under a name.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text, texts},
    directory::records::V1,
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::tag::Tag;
use keyward_wire::{json, query::Params, xml};
use tokio::sync::OnceCell;

use crate::{
    Cx, Rds,
    fault::RdsFault,
    members,
    protected::{Named, Traits},
    records::DbSubnetGroupRecord,
    subnet_group::{self, SubnetGroup},
    tags::AddTagsToResource,
};

/// The most groups of an account in a Region.
const MAX_GROUPS: usize = 150;

/// `CreateDBSubnetGroup`
#[derive(Debug)]
pub struct CreateDBSubnetGroup {
    name: String,
    description: String,
    subnets: Vec<String>,
    tags: Vec<Tag>,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

keyward_types::action!("rds": CreateDBSubnetGroup = "rds:CreateDBSubnetGroup");

impl Operation for CreateDBSubnetGroup {
    const NAME: &'static str = "CreateDBSubnetGroup";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBSubnetGroupName"),
        text("DBSubnetGroupDescription"),
        texts("SubnetIds"),
        structures("Tags", members::SHOWN_TAG),
    ];
    type Api = Rds;
    type Output = Created;
    type Fault = RdsFault;
    type Resolved = Named;
    type Permits = (Permit<Self>, Option<Permit<AddTagsToResource>>);

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("DBSubnetGroupName").optional();
        let description = m.string("DBSubnetGroupDescription").optional();
        let subnets = subnet_group::read_subnets(&mut m);
        let tags = members::tags(&mut m).unwrap_or_default();
        m.finish()?;
        let name = members::required(name, "DBSubnetGroupName")?;
        let description = members::required(description, "DBSubnetGroupDescription")?;
        Ok(Self {
            name: members::subnet_group_name(&name)?,
            description: members::description(&description, "DBSubnetGroupDescription")?,
            subnets: subnet_group::checked_subnets(subnets)?,
            tags: members::checked(tags)?,
            turn: OnceCell::new(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Named, RdsFault> {
        let traits = Traits {
            request_tags: self.tags.clone(),
            ..Traits::default()
        };
        Ok(Named::new(cx, "subgrp", &self.name).used_for(&traits))
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let permit = gate.permit(named, |supply| supply.request_tags(&self.tags))?;
        Ok((permit, gate.tagging(named, &self.tags)?))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Created>, RdsFault> {
        let turn = || cx.state().groups.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
        let groups = cx.subnet_groups().await?;
        if groups.iter().any(|group| group.record.name == self.name) {
            let name = self.name.clone();
            return Err(RdsFault::DbSubnetGroupAlreadyExists { name });
        }
        if groups.len() > MAX_GROUPS {
            return Err(RdsFault::DbSubnetGroupQuotaExceeded);
        }
        let vpc = cx.vpc_of(&self.subnets)?;
        let record = DbSubnetGroupRecord {
            version: V1,
            name: self.name.clone(),
            description: self.description.clone(),
            vpc,
            subnets: self.subnets.clone(),
            tags: self.tags.clone(),
        };
        let mut batch = cx.batch();
        cx.put_subnet_group(&mut batch, &record, Precondition::Absent)?;
        let group = cx.group_of(record, Revision::default());
        Ok(Done::changed(Created(group), batch))
    }
}

/// A group that was created or modified.
#[derive(Debug)]
pub struct Created(pub SubnetGroup);

impl Output<Rds> for Created {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("DBSubnetGroup", |out| self.0.write(out));
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.0.elements(elements);
    }
}
