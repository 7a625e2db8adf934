//! `ModifyDBSubnetGroup`: other subnets of the same virtual private cloud, or another description.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBSubnetGroup.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::query::Params;
use tokio::sync::OnceCell;

use crate::{
    Cx, Rds,
    create_db_subnet_group::Created,
    fault::RdsFault,
    members,
    protected::Named,
    subnet_group::{self, DEFAULT, SubnetGroup},
};

/// The input.
#[derive(Debug)]
pub struct ModifyDBSubnetGroup {
    name: String,
    description: Option<String>,
    subnets: Vec<String>,
    /// Its turn, so that no instance is made in a subnet meanwhile that it has no longer.
    turn: OnceCell<Turn>,
}

keyward_types::action!("rds": ModifyDBSubnetGroup = "rds:ModifyDBSubnetGroup");

impl Operation for ModifyDBSubnetGroup {
    const NAME: &'static str = "ModifyDBSubnetGroup";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBSubnetGroupName"),
        text("DBSubnetGroupDescription"),
        texts("SubnetIds"),
    ];
    type Api = Rds;
    type Output = Created;
    type Fault = RdsFault;
    type Resolved = (Named, Option<SubnetGroup>);
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("DBSubnetGroupName").length(0, 255).optional();
        let description = m.string("DBSubnetGroupDescription").optional();
        let subnets = subnet_group::read_subnets(&mut m);
        m.finish()?;
        let name = members::required(name, "DBSubnetGroupName")?;
        let description = description.filter(|text| !text.is_empty());
        let description =
            description.map(|text| members::description(text, "DBSubnetGroupDescription"));
        Ok(Self {
            name: name.to_ascii_lowercase(),
            description: description.transpose()?,
            subnets: subnet_group::checked_subnets(subnets)?,
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
    ) -> Result<Done<Created>, RdsFault> {
        let name = self.name.clone();
        if name == DEFAULT {
            let message = "The default DB subnet group has all subnets of its virtual private cloud, and cannot be modified.";
            return Err(RdsFault::InvalidParameterValue(message.to_owned()));
        }
        let found = found
            .as_ref()
            .ok_or(RdsFault::DbSubnetGroupNotFound { name })?;
        let vpc = cx.vpc_of(&self.subnets)?;
        if vpc != found.record.vpc {
            let message = "The new Subnets are not in the same Vpc as the existing subnet group";
            return Err(RdsFault::InvalidSubnet(message.to_owned()));
        }
        let turn = || cx.state().creations.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
        let instances = cx.instances().await?;
        let is_cut_off = |subnet: &String| !self.subnets.contains(subnet);
        let used = instances
            .iter()
            .find(|one| one.record.subnet_group == self.name && is_cut_off(&one.record.subnet));
        if let Some(used) = used {
            return Err(RdsFault::SubnetAlreadyInUse {
                subnet: used.record.subnet.clone(),
                instance: used.record.name.clone(),
            });
        }
        let mut record = found.record.clone();
        record.subnets.clone_from(&self.subnets);
        if let Some(description) = &self.description {
            record.description.clone_from(description);
        }
        let mut batch = cx.batch();
        let at = Precondition::At(found.revision);
        cx.put_subnet_group(&mut batch, &record, at)?;
        let group = cx.group_of(record, found.revision);
        Ok(Done::changed(Created(group), batch))
    }
}
