//! `describeService`

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::Done,
};
use keyward_wire::json::Members;

use crate::{
    Cx, De, ask::Ask, de::shown::ShownService, fault::CdeFault, members, records::ServiceRecord,
};

/// The input.
#[derive(Debug)]
pub struct DescribeService {
    id: String,
}

keyward_types::action!("de": DescribeService = "de:describeService");

impl Ask for DescribeService {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("clusterId")];
    type Of = De;
    type Output = ShownService;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            id: members::named(m, "clusterId"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("service/{}", self.id))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<ShownService>, CdeFault> {
        let (record, _) = cx.named::<ServiceRecord>(&self.id).await?;
        Ok(Done::unchanged(ShownService::new(record, cx).await?))
    }
}
