//! The members of a request for an instance that is made from a snapshot, and what they mean together with that.

use keyward_types::tag::Tag;
use keyward_wire::json::Members;

use crate::{
    classes::is_class,
    fault::RdsFault,
    groups::read_security_groups,
    installed::ENGINE,
    members::{self, Unserved},
    new_instance::Asked,
    snapshot::Snapshot,
    storage::storage_of,
    subnet_group,
};

/// What this version does not serve, and what of it means nothing. A database of PostgreSQL keeps its name.
pub(super) const UNSERVED: Unserved = &[
    ("AdditionalStorageVolumes", &[]),
    ("BackupRetentionPeriod", &["0"]),
    ("BackupTarget", &["region"]),
    ("CustomIamInstanceProfile", &[]),
    ("DBCapacityReservationIdentifier", &[]),
    ("DBClusterSnapshotIdentifier", &[]),
    ("DBName", &[]),
    ("DedicatedLogVolume", &["false"]),
    ("Domain", &[]),
    ("DomainAuthSecretArn", &[]),
    ("DomainDnsIps", &[]),
    ("DomainFqdn", &[]),
    ("DomainIAMRoleName", &[]),
    ("DomainOu", &[]),
    ("EnableCloudwatchLogsExports", &[]),
    ("EnableCustomerOwnedIp", &["false"]),
    ("EnableIAMDatabaseAuthentication", &["false"]),
    (
        "EngineLifecycleSupport",
        &["open-source-rds-extended-support-disabled"],
    ),
    ("Iops", &["0"]),
    ("LicenseModel", &["postgresql-license"]),
    ("ManageMasterUserPassword", &["false"]),
    ("MasterUserSecretKmsKeyId", &[]),
    ("MultiAZ", &["false"]),
    ("NetworkType", &["IPV4"]),
    ("ProcessorFeatures", &[]),
    ("StorageThroughput", &["0"]),
    ("TagSpecifications", &[]),
    ("TdeCredentialArn", &[]),
    ("TdeCredentialPassword", &[]),
    ("UseDefaultProcessorFeatures", &["true", "false"]),
];

/// The members as they were sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub name: String,
    pub snapshot: String,
    pub tags: Vec<Tag>,
    class: Option<String>,
    port: Option<i64>,
    zone: Option<String>,
    subnet_group: Option<String>,
    is_public: Option<bool>,
    upgrades: Option<bool>,
    engine: Option<String>,
    option_group: Option<String>,
    storage_type: Option<String>,
    groups: Vec<String>,
    copies_tags: Option<bool>,
    parameter_group: Option<String>,
    is_protected: Option<bool>,
    storage: Option<i64>,
    backup_window: Option<String>,
    certificate: Option<String>,
}

impl Sent {
    pub(super) fn read(m: &mut Members<'_>) -> Self {
        fn text(m: &mut Members<'_>, member: &'static str) -> Option<String> {
            let text = m.string(member).length(0, 2048).optional();
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        }
        fn is(m: &mut Members<'_>, member: &'static str) -> Option<bool> {
            m.boolean(member).optional()
        }
        Self {
            name: text(m, "DBInstanceIdentifier").unwrap_or_default(),
            snapshot: text(m, "DBSnapshotIdentifier").unwrap_or_default(),
            tags: members::tags(m).unwrap_or_default(),
            class: text(m, "DBInstanceClass"),
            port: m.integer("Port").optional(),
            zone: text(m, "AvailabilityZone"),
            subnet_group: text(m, "DBSubnetGroupName"),
            is_public: is(m, "PubliclyAccessible"),
            upgrades: is(m, "AutoMinorVersionUpgrade"),
            engine: text(m, "Engine"),
            option_group: text(m, "OptionGroupName"),
            storage_type: text(m, "StorageType"),
            groups: read_security_groups(m).unwrap_or_default(),
            copies_tags: is(m, "CopyTagsToSnapshot"),
            parameter_group: text(m, "DBParameterGroupName"),
            is_protected: is(m, "DeletionProtection"),
            storage: m.integer("AllocatedStorage").optional(),
            backup_window: text(m, "PreferredBackupWindow"),
            certificate: text(m, "CACertificateIdentifier"),
        }
    }

    /// The same, if it makes sense whatever the snapshot is.
    pub(super) fn checked(mut self) -> Result<Self, RdsFault> {
        let wrong = |message: String| Err(RdsFault::InvalidParameterValue(message));
        let name = members::required(Some(&self.name), "DBInstanceIdentifier")?;
        self.name = members::identifier(&name, "DBInstanceIdentifier")?;
        self.snapshot = members::required(Some(&self.snapshot), "DBSnapshotIdentifier")?;
        if self.engine.as_ref().is_some_and(|engine| engine != ENGINE) {
            return wrong("Invalid DB engine".to_owned());
        }
        if let Some(class) = self.class.as_ref().filter(|class| !is_class(class)) {
            return wrong(format!("Invalid DB Instance class: {class}"));
        }
        self.port.map(members::port).transpose()?;
        if let Some(window) = &self.backup_window {
            members::backup_window(window)?;
        }
        self.tags = members::checked(self.tags)?;
        Ok(self)
    }

    /// What is asked for, with what the snapshot has.
    pub(super) fn asked(&self, found: &Snapshot) -> Result<Asked, RdsFault> {
        let of = &found.record.instance;
        let or = |sent: &Option<String>, default: &str| {
            sent.clone().unwrap_or_else(|| default.to_owned())
        };
        let storage_type = or(&self.storage_type, &of.storage_type);
        let storage = self.storage.unwrap_or(i64::from(of.storage));
        if storage < i64::from(of.storage) {
            let message = format!(
                "AllocatedStorage must be at least {} GiB, as at the DB snapshot {}.",
                of.storage, found.record.name
            );
            return Err(RdsFault::InvalidParameterCombination(message));
        }
        let tags = match self.tags.is_empty() {
            true => found.record.tags.clone(),
            false => self.tags.clone(),
        };
        Ok(Asked {
            name: self.name.clone(),
            class: or(&self.class, &of.class),
            version: Some(of.engine_version.clone()),
            storage: storage_of(Some(storage), &storage_type)?,
            storage_type,
            master: of.master.clone(),
            verifier: of.verifier.clone(),
            database: of.database.clone(),
            port: self.port.map_or(Ok(of.port), members::port)?,
            encrypted: found.record.key.is_some(),
            key: found.record.key.clone(),
            zone: self.zone.clone(),
            subnet_group: or(&self.subnet_group, subnet_group::DEFAULT).to_ascii_lowercase(),
            groups: self.groups.clone(),
            parameter_group: self.parameter_group.clone(),
            option_group: self.option_group.clone(),
            certificate: self.certificate.clone(),
            backup_window: or(&self.backup_window, members::BACKUP_WINDOW),
            maintenance_window: members::MAINTENANCE_WINDOW.to_owned(),
            is_protected: self.is_protected.unwrap_or(false),
            copies_tags: self.copies_tags.unwrap_or(false),
            upgrades: self.upgrades.unwrap_or(true),
            is_public: self.is_public.unwrap_or(false),
            tags,
            from: Some(found.clone()),
        })
    }
}
