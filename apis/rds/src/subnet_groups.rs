//! `DescribeDBSubnetGroups` and `DeleteDBSubnetGroup`.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSubnetGroups.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text},
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::{query::Params, xml};
use tokio::sync::OnceCell;

use crate::{
    Cx, Rds,
    fault::RdsFault,
    members,
    page::{AskedPage, Listed},
    protected::Named,
    subnet_group::{self, DEFAULT, SubnetGroup},
};

/// `DescribeDBSubnetGroups`
#[derive(Debug)]
pub struct DescribeDBSubnetGroups {
    name: Option<String>,
    page: AskedPage,
}

keyward_types::action!("rds": DescribeDBSubnetGroups = "rds:DescribeDBSubnetGroups");

impl Operation for DescribeDBSubnetGroups {
    const NAME: &'static str = "DescribeDBSubnetGroups";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBSubnetGroupName"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
    ];
    type Api = Rds;
    type Output = Listed<SubnetGroup>;
    type Fault = RdsFault;
    type Resolved = Named;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("DBSubnetGroupName").length(0, 255).optional();
        let name = name.map(str::to_ascii_lowercase);
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        members::known(filters, &[])?;
        Ok(Self {
            name,
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Named, RdsFault> {
        match &self.name {
            Some(name) => Ok(cx.named_group(name).await?.0),
            None => Ok(Named::new(cx, "subgrp", "*")),
        }
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<SubnetGroup>>, RdsFault> {
        let groups = match &self.name {
            Some(name) => {
                let found = cx.subnet_group(name).await?;
                let name = name.clone();
                vec![found.ok_or(RdsFault::DbSubnetGroupNotFound { name })?]
            }
            None => cx.subnet_groups().await?,
        };
        let list = (Self::NAME, self.name.as_deref().unwrap_or_default());
        let name = |group: &SubnetGroup| group.record.name.clone();
        Ok(Done::unchanged(self.page.of(groups, name, list, cx)?))
    }
}

impl Output<Rds> for Listed<SubnetGroup> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(out, ("DBSubnetGroups", "DBSubnetGroup"), |out, group| {
            group.write(out);
        });
    }
}

/// `DeleteDBSubnetGroup`
#[derive(Debug)]
pub struct DeleteDBSubnetGroup {
    name: String,
    /// Its turn, so that no instance is made in it meanwhile.
    turn: OnceCell<Turn>,
}

keyward_types::action!("rds": DeleteDBSubnetGroup = "rds:DeleteDBSubnetGroup");

impl Operation for DeleteDBSubnetGroup {
    const NAME: &'static str = "DeleteDBSubnetGroup";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("DBSubnetGroupName")];
    type Api = Rds;
    type Output = Empty;
    type Fault = RdsFault;
    type Resolved = (Named, Option<SubnetGroup>);
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("DBSubnetGroupName").length(0, 255).optional();
        m.finish()?;
        let name = members::required(name, "DBSubnetGroupName")?;
        Ok(Self {
            name: name.to_ascii_lowercase(),
            turn: OnceCell::new(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, RdsFault> {
        cx.named_group(&self.name).await
    }

    fn authorize(
        &self,
        (named, _): &Self::Resolved,
        gate: &Gate<'_>,
    ) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        (_, found): &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, RdsFault> {
        let name = self.name.clone();
        if name == DEFAULT {
            let message = "The default DB subnet group is always there.".to_owned();
            return Err(RdsFault::InvalidParameterValue(message));
        }
        let group = found
            .as_ref()
            .ok_or(RdsFault::DbSubnetGroupNotFound { name })?;
        let turn = || cx.state().creations.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
        let instances = cx.instances().await?;
        let user = instances
            .iter()
            .find(|instance| instance.record.subnet_group == self.name);
        if let Some(user) = user {
            let instance = user.record.name.clone();
            return Err(RdsFault::InvalidDbSubnetGroupState { instance });
        }
        let mut batch = cx.batch();
        batch.delete(
            subnet_group::path(cx, &self.name),
            Precondition::At(group.revision),
        )?;
        Ok(Done::changed(Empty, batch))
    }
}
