//! `listVcs`

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, De,
    ask::Ask,
    de::vcs::ShownCluster,
    fault::CdeFault,
    members,
    records::{ClusterRecord, ServiceRecord},
};

/// The input.
#[derive(Debug)]
pub struct ListVcs {
    service: String,
}

/// The output.
#[derive(Debug)]
pub struct Listed(Vec<ClusterRecord>);

keyward_types::action!("de": ListVcs = "de:listVcs");

impl Ask for ListVcs {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("clusterId")];
    type Of = De;
    type Output = Listed;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            service: members::named(m, "clusterId"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("service/{}", self.service))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Listed>, CdeFault> {
        cx.named::<ServiceRecord>(&self.service).await?;
        let clusters = cx.clusters(&self.service).await?;
        Ok(Done::unchanged(Listed(clusters)))
    }
}

impl Output<De> for Listed {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("vcs", |all| {
            for one in &self.0 {
                all.object(|out| ShownCluster::write_summary(one, out));
            }
        });
    }
}
