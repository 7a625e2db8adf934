//! `DescribeDBParameterGroups`: the default group of each version that agents have. There are no others.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameterGroups.html>

use std::collections::BTreeSet;

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
    groups::default_parameter_group,
    installed::Version,
    members,
    page::{AskedPage, Listed},
    protected::Named,
};

/// The input.
#[derive(Debug)]
pub struct DescribeDBParameterGroups {
    name: Option<String>,
    page: AskedPage,
}

/// A group as it is told.
#[derive(Debug)]
pub struct ParameterGroup {
    name: String,
    family: String,
    arn: String,
}

keyward_types::action!("rds": DescribeDBParameterGroups = "rds:DescribeDBParameterGroups");

impl Operation for DescribeDBParameterGroups {
    const NAME: &'static str = "DescribeDBParameterGroups";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBParameterGroupName"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
    ];
    type Api = Rds;
    type Output = Listed<ParameterGroup>;
    type Fault = RdsFault;
    type Resolved = Named;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("DBParameterGroupName").length(0, 255).optional();
        let name = name
            .filter(|name| !name.is_empty())
            .map(str::to_ascii_lowercase);
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
        Ok(Named::new(cx, "pg", self.name.as_deref().unwrap_or("*")))
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<ParameterGroup>>, RdsFault> {
        let versions = cx.versions().await?;
        // Those of instances whose agents have another version now are there as well.
        let used = cx.instances().await?;
        let used = used.iter().filter_map(|instance| {
            let database = instance.volume.database.as_deref()?;
            Version::parse(&database.version)
        });
        let families = versions.into_iter().chain(used);
        let families: BTreeSet<String> = families.map(|version| version.family()).collect();
        let mut groups: Vec<ParameterGroup> = families
            .into_iter()
            .map(|family| {
                let name = default_parameter_group(&family);
                let arn = Named::new(cx, "pg", &name).arn().to_owned();
                ParameterGroup { name, family, arn }
            })
            .collect();
        if let Some(name) = &self.name {
            groups.retain(|group| group.name == *name);
            if groups.is_empty() {
                let name = name.clone();
                return Err(RdsFault::DbParameterGroupNotFound { name });
            }
        }
        let list = (Self::NAME, self.name.as_deref().unwrap_or_default());
        let name = |group: &ParameterGroup| group.name.clone();
        Ok(Done::unchanged(self.page.of(groups, name, list, cx)?))
    }
}

impl Output<Rds> for Listed<ParameterGroup> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(
            out,
            ("DBParameterGroups", "DBParameterGroup"),
            |out, group| {
                out.text("DBParameterGroupName", &group.name);
                out.text("DBParameterGroupFamily", &group.family);
                let family = &group.family;
                let described = format!("Default parameter group for {family}");
                out.text("Description", &described);
                out.text("DBParameterGroupArn", &group.arn);
            },
        );
    }
}
