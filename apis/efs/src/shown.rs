//! `FileSystemDescription`: what answers and events say of a file system.

use keyward_engine::{context::Context, operation::Output};
use keyward_types::{account::AccountId, region::Region, vpc::zone_id};
use keyward_wire::json::Writer;

use crate::{
    Efs,
    file_system::{FileSystem, arn},
};

/// A file system as answers show it.
#[derive(Clone, Debug)]
pub struct Described {
    file_system: FileSystem,
    region: Region,
    account: AccountId,
}

impl Described {
    /// A file system of the caller's account and Region.
    pub fn new(file_system: FileSystem, cx: &Context<'_>) -> Self {
        Self {
            file_system,
            region: cx.region,
            account: cx.account(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.file_system.record.id
    }

    fn mount_targets(&self) -> u64 {
        u64::try_from(self.file_system.volume.targets.len()).unwrap_or(u64::MAX)
    }

    /// Writes it.
    pub fn write(&self, out: &mut Writer<'_>) {
        let (record, volume) = (&self.file_system.record, &self.file_system.volume);
        out.string("OwnerId", self.account.as_str());
        out.string("CreationToken", &record.token);
        out.string("FileSystemId", &record.id);
        let arn = arn(self.region, self.account, &record.id);
        out.string("FileSystemArn", &arn);
        out.timestamp("CreationTime", record.created);
        out.string("LifeCycleState", self.file_system.state());
        if let Some(name) = record.name() {
            out.string("Name", name);
        }
        out.natural("NumberOfMountTargets", self.mount_targets());
        let reported = volume.reported.as_ref();
        let bytes = reported.and_then(|reported| reported.bytes).unwrap_or(0);
        out.object("SizeInBytes", |size| {
            size.natural("Value", bytes);
            if let Some(reported) = reported {
                size.timestamp("Timestamp", reported.at);
            }
            size.natural("ValueInIA", 0);
            size.natural("ValueInStandard", bytes);
            size.natural("ValueInArchive", 0);
        });
        out.string("PerformanceMode", &record.performance_mode);
        out.boolean("Encrypted", record.key.is_some());
        if let Some(key) = &record.key {
            out.string("KmsKeyId", key);
        }
        out.string("ThroughputMode", record.throughput.mode());
        if let Some(mibps) = record.throughput.mibps() {
            out.double("ProvisionedThroughputInMibps", mibps);
        }
        if let Some(zone) = &record.availability_zone {
            out.string("AvailabilityZoneName", zone);
            if let Some(id) = zone_id(zone) {
                out.string("AvailabilityZoneId", &id);
            }
        }
        out.array("Tags", |list| {
            for tag in &record.tags {
                list.object(|out| {
                    out.string("Key", &tag.key);
                    out.string("Value", &tag.value);
                });
            }
        });
        out.object("FileSystemProtection", |protection| {
            protection.string(
                "ReplicationOverwriteProtection",
                protection_word(record.is_overwritable),
            );
        });
    }
}

/// `ReplicationOverwriteProtection`.
pub fn protection_word(is_overwritable: bool) -> &'static str {
    if is_overwritable {
        "DISABLED"
    } else {
        "ENABLED"
    }
}

impl Output<Efs> for Described {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        let record = &self.file_system.record;
        elements.string("ownerId", self.account.as_str());
        elements.string("creationToken", &record.token);
        elements.string("fileSystemId", &record.id);
        let arn = arn(self.region, self.account, &record.id);
        elements.string("fileSystemArn", &arn);
        elements.string("creationTime", &record.created.iso8601());
        elements.string("lifeCycleState", self.file_system.state());
        elements.natural("numberOfMountTargets", self.mount_targets());
        elements.object("sizeInBytes", |size| size.natural("value", 0));
        elements.string("performanceMode", &record.performance_mode);
        elements.boolean("encrypted", record.key.is_some());
        if let Some(key) = &record.key {
            elements.string("kmsKeyId", key);
        }
        elements.string("throughputMode", record.throughput.mode());
        if let Some(mibps) = record.throughput.mibps() {
            elements.double("provisionedThroughputInMibps", mibps);
        }
        elements.array("tags", |list| {
            for tag in &record.tags {
                list.object(|out| {
                    out.string("key", &tag.key);
                    out.string("value", &tag.value);
                });
            }
        });
    }
}
