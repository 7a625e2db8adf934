//! `getServiceInitLogs`: what was done to enable a service, and what failed.

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{Cx, De, ask::Ask, fault::CdeFault, members, records::ServiceRecord};

/// The input. Logs are a few lines: they are never paged.
#[derive(Debug)]
pub struct GetServiceInitLogs {
    id: String,
}

/// The output.
#[derive(Debug)]
pub struct Logs(Vec<String>);

keyward_types::action!("de": GetServiceInitLogs = "de:getServiceInitLogs");

impl Ask for GetServiceInitLogs {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("serviceID"),
        integer("pageSize"),
        text("startingToken"),
    ];
    const UNSERVED: &'static [&'static str] = &["startingToken"];
    type Of = De;
    type Output = Logs;

    fn read(m: &mut Members<'_>) -> Self {
        m.integer("pageSize").range(1, 10_000).optional();
        Self {
            id: members::named(m, "serviceID"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("service/{}", self.id))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Logs>, CdeFault> {
        let (record, _) = cx.named::<ServiceRecord>(&self.id).await?;
        Ok(Done::unchanged(Logs(record.log)))
    }
}

impl Output<De> for Logs {
    fn render(&self, out: &mut Writer<'_>) {
        out.strings("logs", &self.0);
    }
}
