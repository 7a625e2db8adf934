//! `UpdateFileSystem`: another throughput.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_UpdateFileSystem.html>

use keyward_engine::{
    audit::parameters::{Parameter, double, text},
    operation::Done,
};
use keyward_types::time::Timestamp;
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::EfsFault,
    file_system::{FileSystem, OneFileSystem},
    on_file_system::OnFileSystem,
    records::{FileSystemRecord, Throughput},
    shown::Described,
    throughput::AskedThroughput,
};

/// How long nothing may be decreased again, in milliseconds: 24 hours.
const REST: i64 = 24 * 3600 * 1000;

/// The input.
#[derive(Debug)]
pub struct UpdateFileSystem {
    throughput: AskedThroughput,
}

keyward_types::action!("elasticfilesystem": UpdateFileSystem = "elasticfilesystem:UpdateFileSystem");

impl OnFileSystem for UpdateFileSystem {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        text("ThroughputMode"),
        double("ProvisionedThroughputInMibps"),
    ];
    type Output = Described;

    fn read(m: &mut Members<'_>) -> Self {
        let throughput = AskedThroughput::read(m);
        Self { throughput }
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Described>, EfsFault> {
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
