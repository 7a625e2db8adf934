//! `DBInstance`: what answers and events say of a DB instance.

use keyward_engine::{
    context::Context,
    directory::records::database::{DatabaseRecord, DatabaseState},
    operation::Output,
};
use keyward_types::{account::AccountId, region::Region, time::Timestamp};
use keyward_wire::{json, xml};

use crate::{
    Rds, certificates,
    groups::{default_option_group, default_parameter_group},
    installed::Version,
    instance::{Instance, arn},
    subnet_group::SubnetGroup,
};

/// An instance as it is told.
#[derive(Clone, Debug)]
pub struct Described {
    /// The instance.
    pub instance: Instance,
    group: Option<SubnetGroup>,
    region: Region,
    account: AccountId,
    now: Timestamp,
}

impl Described {
    /// An instance of the caller's account and Region, with its subnet group.
    pub fn new(instance: Instance, group: Option<SubnetGroup>, cx: &Context<'_>) -> Self {
        Self {
            instance,
            group,
            region: cx.region,
            account: cx.account(),
            now: cx.now,
        }
    }

    fn arn(&self) -> String {
        arn(self.region, self.account, &self.instance.record.name)
    }

    /// Whether it has its endpoint: not before it has run.
    fn endpoint(&self) -> Option<&DatabaseRecord> {
        let database = self.instance.volume.database.as_deref()?;
        database.ran.then_some(database)
    }

    fn family(&self) -> String {
        let database = self.instance.volume.database.as_deref();
        let version = database.and_then(|database| Version::parse(&database.version));
        version.map(|version| version.family()).unwrap_or_default()
    }

    /// Writes it.
    pub fn write(&self, out: &mut xml::Writer<'_>) {
        let (record, volume) = (&self.instance.record, &self.instance.volume);
        let database = volume.database.as_deref();
        let family = self.family();
        out.text("DBInstanceIdentifier", &record.name);
        out.text("DBInstanceClass", &record.class);
        if let Some(database) = database {
            out.text("Engine", &database.engine);
        }
        out.text("DBInstanceStatus", self.instance.status(self.now));
        if let Some(database) = database {
            out.text("MasterUsername", &database.master);
        }
        out.optional_text("DBName", record.database.as_deref());
        if let Some(database) = self.endpoint() {
            out.element("Endpoint", |endpoint| {
                endpoint.text("Address", &database.address.to_string());
                endpoint.integer("Port", i64::from(database.port));
            });
        }
        out.integer("AllocatedStorage", i64::from(record.storage));
        if database.is_some_and(|database| database.ran) {
            out.timestamp("InstanceCreateTime", record.created);
        }
        out.text("PreferredBackupWindow", &record.backup_window);
        out.integer("BackupRetentionPeriod", 0);
        out.list("DBSecurityGroups", [(); 0], |_, ()| ());
        let groups = ("VpcSecurityGroups", "VpcSecurityGroupMembership");
        out.list_of(groups, &record.groups, |out, group| {
            out.text("VpcSecurityGroupId", group);
            out.text("Status", "active");
        });
        let groups = [default_parameter_group(&family)];
        out.list_of(
            ("DBParameterGroups", "DBParameterGroup"),
            &groups,
            |out, group| {
                out.text("DBParameterGroupName", group);
                out.text("ParameterApplyStatus", "in-sync");
            },
        );
        out.text("AvailabilityZone", &record.zone);
        if let Some(group) = &self.group {
            out.element("DBSubnetGroup", |out| group.write(out));
        }
        out.text("PreferredMaintenanceWindow", &record.maintenance_window);
        out.element("PendingModifiedValues", |pending| {
            if self.has_new_password() {
                pending.text("MasterUserPassword", "****");
            }
        });
        out.boolean("MultiAZ", false);
        if let Some(database) = database {
            out.text("EngineVersion", &database.version);
        }
        out.boolean("AutoMinorVersionUpgrade", record.upgrades);
        out.list("ReadReplicaDBInstanceIdentifiers", [(); 0], |_, ()| ());
        out.text("LicenseModel", "postgresql-license");
        let groups = [default_option_group(&family)];
        let names = ("OptionGroupMemberships", "OptionGroupMembership");
        out.list_of(names, &groups, |out, group| {
            out.text("OptionGroupName", group);
            out.text("Status", "in-sync");
        });
        out.boolean("PubliclyAccessible", record.is_public);
        out.text("StorageType", &record.storage_type);
        out.text(
            "StorageEncryptionType",
            match record.key {
                Some(_) => "sse-kms",
                None => "none",
            },
        );
        out.integer("DbInstancePort", 0);
        out.boolean("StorageEncrypted", record.key.is_some());
        out.optional_text("KmsKeyId", record.key.as_deref());
        out.text("DbiResourceId", record.id.as_str());
        let authority = certificates::name_of(&volume.agent);
        out.text("CACertificateIdentifier", &authority);
        out.list("DomainMemberships", [(); 0], |_, ()| ());
        out.boolean("CopyTagsToSnapshot", record.copies_tags);
        out.integer("MonitoringInterval", 0);
        out.text("DBInstanceArn", &self.arn());
        out.boolean("IAMDatabaseAuthenticationEnabled", false);
        out.text("DatabaseInsightsMode", "standard");
        out.boolean("PerformanceInsightsEnabled", false);
        out.boolean("DeletionProtection", record.is_protected);
        out.list("AssociatedRoles", [(); 0], |_, ()| ());
        out.list_of(("TagList", "Tag"), &record.tags, |out, tag| {
            out.text("Key", &tag.key);
            out.text("Value", &tag.value);
        });
        out.boolean("CustomerOwnedIpEnabled", false);
        out.text("NetworkType", "IPV4");
        out.text("BackupTarget", "region");
        out.element("CertificateDetails", |out| {
            out.text("CAIdentifier", &authority)
        });
        out.boolean("DedicatedLogVolume", false);
        out.text(
            "EngineLifecycleSupport",
            "open-source-rds-extended-support-disabled",
        );
    }

    /// Whether the database does not have the newest password yet.
    fn has_new_password(&self) -> bool {
        let database = self.endpoint();
        database.is_some_and(|database| {
            let reported = database.reported.as_ref();
            reported.is_some_and(|reported| {
                reported.state != DatabaseState::Failed
                    && reported.password_epoch < database.password_epoch
            })
        })
    }
}

impl Output<Rds> for Described {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("DBInstance", |out| self.write(out));
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        let (record, volume) = (&self.instance.record, &self.instance.volume);
        elements.string("dBInstanceIdentifier", &record.name);
        elements.string("dBInstanceClass", &record.class);
        elements.string("dBInstanceStatus", self.instance.status(self.now));
        if let Some(database) = volume.database.as_deref() {
            elements.string("engine", &database.engine);
            elements.string("engineVersion", &database.version);
            elements.string("masterUsername", &database.master);
        }
        if let Some(name) = &record.database {
            elements.string("dBName", name);
        }
        elements.integer("allocatedStorage", i64::from(record.storage));
        elements.string("storageType", &record.storage_type);
        elements.boolean("storageEncrypted", record.key.is_some());
        if let Some(key) = &record.key {
            elements.string("kmsKeyId", key);
        }
        elements.string("dbiResourceId", record.id.as_str());
        elements.string("dBInstanceArn", &self.arn());
        elements.string("availabilityZone", &record.zone);
        elements.boolean("multiAZ", false);
        elements.boolean("deletionProtection", record.is_protected);
        elements.boolean("copyTagsToSnapshot", record.copies_tags);
        elements.object("pendingModifiedValues", |pending| {
            if self.has_new_password() {
                pending.string("masterUserPassword", "****");
            }
        });
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
