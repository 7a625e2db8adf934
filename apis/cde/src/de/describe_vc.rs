//! `describeVc`

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::Done,
};
use keyward_wire::json::Members;

use crate::{
    Cx, De, ask::Ask, de::vcs::ShownCluster, fault::CdeFault, members, records::ClusterRecord,
};

/// The input.
#[derive(Debug)]
pub struct DescribeVc {
    service: String,
    id: String,
}

keyward_types::action!("de": DescribeVc = "de:describeVc");

impl Ask for DescribeVc {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("clusterId"), text("vcId")];
    type Of = De;
    type Output = ShownCluster;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            service: members::named(m, "clusterId"),
            id: members::named(m, "vcId"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("vc/{}/{}", self.service, self.id))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<ShownCluster>, CdeFault> {
        let name = format!("{}/{}", self.service, self.id);
        let (record, _) = cx.named::<ClusterRecord>(&name).await?;
        Ok(Done::unchanged(ShownCluster::found(record)))
    }
}
