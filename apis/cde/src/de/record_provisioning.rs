//! What EnableService notes of what it has had other services create: an operation without a path, that only it calls.

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, De,
    fault::CdeFault,
    records::{Outcome, ServiceRecord},
};

/// The input.
#[derive(Debug)]
pub struct RecordProvisioning {
    service: String,
    file_system: Option<String>,
    outcome: Option<Outcome>,
    log: Vec<String>,
}

impl Operation for RecordProvisioning {
    const NAME: &'static str = "recordProvisioning";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("clusterId"),
        text("fileSystemId"),
        text("status"),
        text("statusReason"),
        texts("logs"),
    ];
    type Api = De;
    type Output = Empty;
    type Fault = CdeFault;
    type Resolved = ();
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, CdeFault> {
        let mut m = Members::of(body);
        let service = m.string("clusterId").required().to_owned();
        let file_system = m.string("fileSystemId").optional().map(str::to_owned);
        let status = m.string("status").optional().map(str::to_owned);
        let reason = m.string("statusReason").optional().map(str::to_owned);
        let log = m.strings("logs").optional().unwrap_or_default();
        let log = log.into_iter().map(str::to_owned).collect();
        m.finish()?;
        let outcome = status.map(|word| match reason {
            Some(message) => Outcome::Failed { word, message },
            None => Outcome::Done,
        });
        Ok(Self {
            service,
            file_system,
            outcome,
            log,
        })
    }

    async fn resolve<'c>(&self, _cx: &'c Cx<'c>) -> Result<(), CdeFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), _gate: &Gate<'_>) -> Result<(), Denied> {
        // EnableService has the permit, and nobody else comes here.
        Ok(())
    }

    async fn call<'c>(&self, (): &(), (): &(), cx: &'c Cx<'c>) -> Result<Done<Empty>, CdeFault> {
        let (mut record, revision) = cx.named::<ServiceRecord>(&self.service).await?;
        if let Some(id) = &self.file_system {
            record.file_system = Some(id.clone());
        }
        if let Some(outcome) = &self.outcome {
            record.outcome = Some(outcome.clone());
        }
        record.log.extend(self.log.iter().cloned());
        let mut batch = cx.batch();
        cx.put(&mut batch, &record, Precondition::At(revision))?;
        Ok(Done::changed(Empty, batch))
    }
}
