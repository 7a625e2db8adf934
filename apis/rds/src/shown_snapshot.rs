//! `DBSnapshot`: what answers and events say of a DB snapshot.

use keyward_engine::{context::Context, operation::Output};
use keyward_wire::{json, xml};

use crate::{
    Rds,
    groups::default_option_group,
    installed::{ENGINE, Version},
    snapshot::Snapshot,
};

/// A snapshot as it is told.
#[derive(Clone, Debug)]
pub struct DescribedSnapshot {
    /// The snapshot.
    pub snapshot: Snapshot,
    arn: String,
    /// What is told in place of its status: that it is deleted.
    is_deleted: bool,
}

impl DescribedSnapshot {
    /// A snapshot of the caller's account and Region.
    pub fn new(snapshot: Snapshot, cx: &Context<'_>) -> Self {
        Self {
            arn: crate::snapshot::arn(cx.region, cx.account(), &snapshot.record.name),
            snapshot,
            is_deleted: false,
        }
    }

    /// The same, which is not there any more.
    #[must_use]
    pub fn deleted(mut self) -> Self {
        self.is_deleted = true;
        self
    }

    fn status(&self) -> &'static str {
        match self.is_deleted {
            true => "deleted",
            false => self.snapshot.status(),
        }
    }

    fn percent(&self) -> i64 {
        match self.snapshot.volume.was_made() {
            true => 100,
            false => 0,
        }
    }

    /// Writes it.
    pub fn write(&self, out: &mut xml::Writer<'_>) {
        let record = &self.snapshot.record;
        let of = &record.instance;
        let family = Version::parse(&of.engine_version).map(|version| version.family());
        out.text("DBSnapshotIdentifier", &record.name);
        out.text("DBInstanceIdentifier", &of.name);
        out.timestamp("SnapshotCreateTime", record.created);
        out.text("Engine", ENGINE);
        out.integer("AllocatedStorage", i64::from(of.storage));
        out.text("Status", self.status());
        out.integer("Port", i64::from(of.port));
        out.text("AvailabilityZone", &of.zone);
        out.text("VpcId", &of.vpc);
        out.timestamp("InstanceCreateTime", of.created);
        out.text("MasterUsername", &of.master);
        out.text("EngineVersion", &of.engine_version);
        out.text("LicenseModel", "postgresql-license");
        out.text("SnapshotType", "manual");
        let group = default_option_group(&family.unwrap_or_default());
        out.text("OptionGroupName", &group);
        out.integer("PercentProgress", self.percent());
        out.optional_text("SourceDBSnapshotIdentifier", record.source.as_deref());
        out.text("StorageType", &of.storage_type);
        out.boolean("Encrypted", record.key.is_some());
        out.text(
            "StorageEncryptionType",
            match record.key {
                Some(_) => "sse-kms",
                None => "none",
            },
        );
        out.optional_text("KmsKeyId", record.key.as_deref());
        out.text("DBSnapshotArn", &self.arn);
        out.boolean("IAMDatabaseAuthenticationEnabled", false);
        out.list("ProcessorFeatures", [(); 0], |_, ()| ());
        out.text("DbiResourceId", of.id.as_str());
        out.list_of(("TagList", "Tag"), &record.tags, |out, tag| {
            out.text("Key", &tag.key);
            out.text("Value", &tag.value);
        });
        out.timestamp("OriginalSnapshotCreateTime", record.original);
        out.text("SnapshotTarget", "region");
        out.boolean("DedicatedLogVolume", false);
    }
}

impl Output<Rds> for DescribedSnapshot {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("DBSnapshot", |out| self.write(out));
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        let record = &self.snapshot.record;
        let of = &record.instance;
        elements.string("dBSnapshotIdentifier", &record.name);
        elements.string("dBInstanceIdentifier", &of.name);
        elements.string("engine", ENGINE);
        elements.string("engineVersion", &of.engine_version);
        elements.integer("allocatedStorage", i64::from(of.storage));
        elements.string("status", self.status());
        elements.string("masterUsername", &of.master);
        elements.string("snapshotType", "manual");
        elements.integer("percentProgress", self.percent());
        if let Some(source) = &record.source {
            elements.string("sourceDBSnapshotIdentifier", source);
        }
        elements.boolean("encrypted", record.key.is_some());
        if let Some(key) = &record.key {
            elements.string("kmsKeyId", key);
        }
        elements.string("dBSnapshotArn", &self.arn);
        elements.string("dbiResourceId", of.id.as_str());
        elements.array("tagList", |list| {
            for tag in &record.tags {
                list.object(|out| {
                    out.string("key", &tag.key);
                    out.string("value", &tag.value);
                });
            }
        });
    }
}
