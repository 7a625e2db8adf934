//! `UpdateFileSystem`: another throughput.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_UpdateFileSystem.html>

use keyward_engine::{
    audit::parameters::{Parameter, double, text},
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_types::time::Timestamp;
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Efs,
    fault::EfsFault,
    file_system::{FileSystem, OneFileSystem},
    members,
    records::{FileSystemRecord, Throughput},
    shown::Described,
    throughput::Asked,
};

/// How long nothing may be decreased again, in milliseconds: 24 hours.
const REST: i64 = 24 * 3600 * 1000;

/// The input.
#[derive(Debug)]
pub struct UpdateFileSystem {
    id: String,
    throughput: Asked,
}

keyward_types::action!("elasticfilesystem": UpdateFileSystem = "elasticfilesystem:UpdateFileSystem");

impl Operation for UpdateFileSystem {
    const NAME: &'static str = "UpdateFileSystem";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        text("ThroughputMode"),
        double("ProvisionedThroughputInMibps"),
    ];
    type Api = Efs;
    type Output = Described;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        let throughput = Asked::read(&mut m);
        m.finish()?;
        Ok(Self { id, throughput })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Described>, EfsFault> {
        let found = one.get()?.available()?;
        if self.throughput.is_nothing() {
            let message = "ThroughputMode or ProvisionedThroughputInMibps must be specified.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        let record = self.changed(&found.record, cx.now)?;
        let batch = cx.put(found, &record)?;
        let changed = FileSystem {
            record,
            ..found.clone()
        };
        Ok(Done::changed(Described::new(changed, cx), batch))
    }
}

impl UpdateFileSystem {
    fn changed(
        &self,
        before: &FileSystemRecord,
        now: Timestamp,
    ) -> Result<FileSystemRecord, EfsFault> {
        let throughput = self.throughput.from(before.throughput)?;
        if before.performance_mode == "maxIO" && throughput == Throughput::Elastic {
            let message = "Elastic throughput requires the performance mode generalPurpose.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        let mut record = before.clone();
        let decreased = match (before.throughput.mibps(), throughput.mibps()) {
            (Some(before), Some(after)) => after < before,
            (None, None) => before.throughput != throughput,
            (Some(_), None) | (None, Some(_)) => true,
        };
        if decreased {
            let last = before.throughput_changed;
            if last.is_some_and(|last| now < last.plus_millis(REST)) {
                return Err(EfsFault::TooManyRequests);
            }
            record.throughput_changed = Some(now);
        }
        record.throughput = throughput;
        Ok(record)
    }
}
