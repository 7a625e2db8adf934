//! `DescribeDBInstances`: the DB instances of the caller's account and Region, or one of them.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html>

use std::collections::HashMap;

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Rds,
    fault::RdsFault,
    installed::ENGINE,
    instance::{Instance, OneInstance, own_name},
    members::{self, Filter},
    page::{AskedPage, Listed},
    protected::Named,
    shown::Described,
};

/// The filters that there are. Nothing here is in a cluster or a domain.
const FILTERS: &[&str] = &[
    "db-cluster-id",
    "db-instance-id",
    "dbi-resource-id",
    "domain",
    "engine",
];

/// The input.
#[derive(Debug)]
pub struct DescribeDBInstances {
    named: Option<String>,
    filters: Vec<Filter>,
    page: AskedPage,
}

/// What it is asked about: one instance, or all.
#[derive(Debug)]
pub enum About {
    /// One.
    One(Box<OneInstance>),
    /// All.
    All(Named),
}

keyward_types::action!("rds": DescribeDBInstances = "rds:DescribeDBInstances");

impl Operation for DescribeDBInstances {
    const NAME: &'static str = "DescribeDBInstances";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
    ];
    type Api = Rds;
    type Output = Listed<Described>;
    type Fault = RdsFault;
    type Resolved = About;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("DBInstanceIdentifier").length(0, 255).optional();
        let named = named.filter(|named| !named.is_empty()).map(str::to_owned);
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        Ok(Self {
            named,
            filters: members::known(filters, FILTERS)?,
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<About, RdsFault> {
        Ok(match &self.named {
            Some(named) => About::One(Box::new(cx.named_instance(named).await?)),
            None => About::All(Named::new(cx, "db", "*")),
        })
    }

    fn authorize(&self, about: &About, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        match about {
            About::One(one) => gate.permit(&**one, |_| ()),
            About::All(all) => gate.permit(all, |_| ()),
        }
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        about: &About,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Described>>, RdsFault> {
        let mut all = match about {
            About::One(one) => vec![one.get()?.clone()],
            About::All(_) => cx.instances().await?,
        };
        all.retain(|instance| {
            self.filters
                .iter()
                .all(|filter| is_meant(instance, filter, cx))
        });
        // A marker is good for the same question only.
        let filter = format!("{:?} {:?}", self.named, self.filters);
        let list = (Self::NAME, filter.as_str());
        let name = |instance: &Instance| instance.record.name.clone();
        let page = self.page.of(all, name, list, cx)?;
        let groups = cx.subnet_groups().await?.into_iter();
        let groups: HashMap<_, _> = groups
            .map(|group| (group.record.name.clone(), group))
            .collect();
        let described = |instance: Instance| {
            let group = groups.get(&instance.record.subnet_group).cloned();
            Described::new(instance, group, cx)
        };
        Ok(Done::unchanged(page.map(described)))
    }
}

/// Whether a filter lets an instance through.
fn is_meant(instance: &Instance, filter: &Filter, cx: &Cx<'_>) -> bool {
    let mut values = filter.values.iter();
    match filter.name.as_str() {
        "db-instance-id" => {
            let name = Some(&instance.record.name);
            values.any(|value| own_name(value, "db", cx).as_ref() == name)
        }
        "dbi-resource-id" => values.any(|value| value == instance.record.id.as_str()),
        "engine" => values.any(|value| value == ENGINE),
        _ => false,
    }
}

impl Output<Rds> for Listed<Described> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(out, ("DBInstances", "DBInstance"), |out, one| {
            one.write(out)
        });
    }
}
