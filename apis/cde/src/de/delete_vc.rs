//! `deleteVc`

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Writer};

use crate::{Cx, De, ask::Ask, fault::CdeFault, kept, members, records::ClusterRecord};

/// The input.
#[derive(Debug)]
pub struct DeleteVc {
    service: String,
    id: String,
}

/// The output.
#[derive(Debug)]
pub struct Deleted;

keyward_types::action!("de": DeleteVc = "de:deleteVc");

impl Ask for DeleteVc {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("clusterId"), text("vcId")];
    type Of = De;
    type Output = Deleted;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            service: members::named(m, "clusterId"),
            id: members::named(m, "vcId"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("vc/{}/{}", self.service, self.id))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Deleted>, CdeFault> {
        let name = format!("{}/{}", self.service, self.id);
        let (_, revision) = cx.named::<ClusterRecord>(&name).await?;
        let mut batch = cx.batch();
        let path = kept::path::<ClusterRecord>(cx, &name);
        batch.delete(path, Precondition::At(revision))?;
        Ok(Done::changed(Deleted, batch))
    }
}

impl Output<De> for Deleted {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("status", "AppDeleted");
    }
}
