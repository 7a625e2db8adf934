//! Virtual clusters as Cloudera's model shows them. They are records: no Spark runs here.

use keyward_engine::operation::Output;
use keyward_wire::json::Writer;

use crate::{Cx, De, fault::CdeFault, kept, records::ClusterRecord};

/// The status of every virtual cluster.
pub const STATUS: &str = "AppInstalled";

/// A virtual cluster.
#[derive(Debug)]
pub struct ShownCluster {
    record: ClusterRecord,
    /// What the member of the answer is called: Cloudera's model has it in two ways.
    member: &'static str,
    /// Whether the request has made it, so that the event tells of it.
    is_new: bool,
}

impl ShownCluster {
    /// One that the request has made.
    pub fn made(record: ClusterRecord) -> Self {
        Self {
            record,
            member: "Vc",
            is_new: true,
        }
    }

    /// One that there is.
    pub fn found(record: ClusterRecord) -> Self {
        Self {
            record,
            member: "vc",
            is_new: false,
        }
    }

    /// Writes what lists show.
    pub fn write_summary(record: &ClusterRecord, out: &mut Writer<'_>) {
        out.string("vcId", &record.id);
        out.string("vcName", &record.name);
        out.string("clusterId", &record.service);
        out.string("status", STATUS);
        out.string("creatorName", &record.creator);
    }

    fn write(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        out.object(self.member, |out| {
            Self::write_summary(record, out);
            out.object("resources", |resources| {
                resources.string("cpuRequests", &record.cpu);
                resources.string("memRequests", &record.memory);
            });
            out.string("creatorID", &record.creator);
            out.string("creationTime", &record.created.iso8601());
            out.string("sparkVersion", &record.spark);
            out.string("vcTier", &record.tier);
            out.object("accessControl", |access| {
                access.strings("fullAccessUsers", &record.users);
            });
        });
    }
}

impl Output<De> for ShownCluster {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        if self.is_new {
            self.write(elements);
        }
    }
}

impl Cx<'_> {
    /// The virtual clusters of a service.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn clusters(&self, service: &str) -> Result<Vec<ClusterRecord>, CdeFault> {
        let mut all = kept::every::<ClusterRecord>(self).await?;
        all.retain(|one| one.service == service);
        Ok(all)
    }
}
