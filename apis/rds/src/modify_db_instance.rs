//! `ModifyDBInstance`: another master password, more storage, and what else may be changed. Everything is applied at
//! once, whatever `ApplyImmediately` says: there is no maintenance that could do it later.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, masked, structure, structures, text, texts},
    directory::records::{
        database::{Happened, PasswordVerifier},
        storage::VolumeRecord,
    },
    operation::Done,
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx, certificates,
    classes::is_class,
    fault::RdsFault,
    groups::{
        check_security_groups, default_option_group, default_parameter_group, read_security_groups,
    },
    installed::{ENGINE, Version},
    instance::Instance,
    members::{self, Unserved},
    on_instance::OnInstance,
    shown::Described,
    storage::{GIB, STORAGE_TYPES, storage_of},
};

/// The statuses in which an instance can be modified.
const MODIFIABLE: [&str; 4] = [
    "available",
    "resetting-master-credentials",
    "stopped",
    "storage-full",
];

/// The input.
#[derive(Debug)]
pub struct ModifyDBInstance {
    storage: Option<i64>,
    storage_type: Option<String>,
    class: Option<String>,
    password: Option<Result<PasswordVerifier, RdsFault>>,
    verifier: Option<PasswordVerifier>,
    groups: Option<Vec<String>>,
    parameter_group: Option<String>,
    option_group: Option<String>,
    certificate: Option<String>,
    engine: Option<String>,
    version: Option<String>,
    port: Option<i64>,
    subnet_group: Option<String>,
    name: Option<String>,
    backup_window: Option<String>,
    maintenance_window: Option<String>,
    is_protected: Option<bool>,
    copies_tags: Option<bool>,
    upgrades: Option<bool>,
    is_public: Option<bool>,
}

keyward_types::action!("rds": ModifyDBInstance = "rds:ModifyDBInstance");

impl OnInstance for ModifyDBInstance {
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        integer("AllocatedStorage"),
        text("DBInstanceClass"),
        text("DBSubnetGroupName"),
        texts("DBSecurityGroups"),
        texts("VpcSecurityGroupIds"),
        boolean("ApplyImmediately"),
        masked("MasterUserPassword"),
        text("DBParameterGroupName"),
        integer("BackupRetentionPeriod"),
        text("PreferredBackupWindow"),
        text("PreferredMaintenanceWindow"),
        boolean("MultiAZ"),
        text("EngineVersion"),
        boolean("AllowMajorVersionUpgrade"),
        boolean("AutoMinorVersionUpgrade"),
        text("LicenseModel"),
        integer("Iops"),
        integer("StorageThroughput"),
        text("OptionGroupName"),
        text("NewDBInstanceIdentifier"),
        text("StorageType"),
        text("TdeCredentialArn"),
        masked("TdeCredentialPassword"),
        text("CACertificateIdentifier"),
        text("Domain"),
        text("DomainFqdn"),
        text("DomainOu"),
        text("DomainAuthSecretArn"),
        texts("DomainDnsIps"),
        boolean("DisableDomain"),
        boolean("CopyTagsToSnapshot"),
        integer("MonitoringInterval"),
        integer("DBPortNumber"),
        boolean("PubliclyAccessible"),
        text("MonitoringRoleArn"),
        text("DomainIAMRoleName"),
        integer("PromotionTier"),
        boolean("EnableIAMDatabaseAuthentication"),
        text("DatabaseInsightsMode"),
        boolean("EnablePerformanceInsights"),
        text("PerformanceInsightsKMSKeyId"),
        integer("PerformanceInsightsRetentionPeriod"),
        structure(
            "CloudwatchLogsExportConfiguration",
            &[texts("EnableLogTypes"), texts("DisableLogTypes")],
        ),
        structures("ProcessorFeatures", &[text("Name"), text("Value")]),
        boolean("UseDefaultProcessorFeatures"),
        boolean("DeletionProtection"),
        integer("MaxAllocatedStorage"),
        boolean("CertificateRotationRestart"),
        text("ReplicaMode"),
        text("AutomationMode"),
        integer("ResumeFullAutomationModeMinutes"),
        boolean("EnableCustomerOwnedIp"),
        text("NetworkType"),
        text("AwsBackupRecoveryPointArn"),
        boolean("ManageMasterUserPassword"),
        boolean("RotateMasterUserPassword"),
        text("MasterUserSecretKmsKeyId"),
        boolean("MultiTenant"),
        boolean("DedicatedLogVolume"),
        text("Engine"),
        structures(
            "AdditionalStorageVolumes",
            &[
                text("VolumeName"),
                integer("AllocatedStorage"),
                integer("IOPS"),
                integer("MaxAllocatedStorage"),
                integer("StorageThroughput"),
                text("StorageType"),
                boolean("SetForDelete"),
            ],
        ),
        text("DBCapacityReservationIdentifier"),
        structures(
            "TagSpecifications",
            &[text("ResourceType"), structures("Tags", members::SHOWN_TAG)],
        ),
        text("MasterUserAuthenticationType"),
        text("EngineLifecycleSupport"),
    ];
    const UNSERVED: Unserved = &[
        ("AdditionalStorageVolumes", &[]),
        ("AutomationMode", &["full"]),
        ("AwsBackupRecoveryPointArn", &[]),
        ("BackupRetentionPeriod", &["0"]),
        ("CloudwatchLogsExportConfiguration", &[]),
        ("DBCapacityReservationIdentifier", &[]),
        ("DBSecurityGroups", &[]),
        ("DatabaseInsightsMode", &["standard"]),
        ("DedicatedLogVolume", &["false"]),
        ("DisableDomain", &["false"]),
        ("Domain", &[]),
        ("DomainAuthSecretArn", &[]),
        ("DomainDnsIps", &[]),
        ("DomainFqdn", &[]),
        ("DomainIAMRoleName", &[]),
        ("DomainOu", &[]),
        ("EnableCustomerOwnedIp", &["false"]),
        ("EnableIAMDatabaseAuthentication", &["false"]),
        ("EnablePerformanceInsights", &["false"]),
        (
            "EngineLifecycleSupport",
            &["open-source-rds-extended-support-disabled"],
        ),
        ("Iops", &["0"]),
        ("LicenseModel", &["postgresql-license"]),
        ("ManageMasterUserPassword", &["false"]),
        ("MasterUserAuthenticationType", &["password"]),
        ("MasterUserSecretKmsKeyId", &[]),
        ("MaxAllocatedStorage", &["0"]),
        ("MonitoringInterval", &["0"]),
        ("MonitoringRoleArn", &[]),
        ("MultiAZ", &["false"]),
        ("MultiTenant", &["false"]),
        ("NetworkType", &["IPV4"]),
        ("PerformanceInsightsKMSKeyId", &[]),
        ("PerformanceInsightsRetentionPeriod", &[]),
        ("ProcessorFeatures", &[]),
        ("PromotionTier", &[]),
        ("ReplicaMode", &[]),
        ("ResumeFullAutomationModeMinutes", &[]),
        ("RotateMasterUserPassword", &["false"]),
        ("StorageThroughput", &["0"]),
        ("TagSpecifications", &[]),
        ("TdeCredentialArn", &[]),
        ("TdeCredentialPassword", &[]),
        ("UseDefaultProcessorFeatures", &["false"]),
    ];

    fn read(m: &mut Members<'_>) -> Self {
        fn text(m: &mut Members<'_>, member: &'static str) -> Option<String> {
            let text = m.string(member).length(0, 255).optional();
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        }
        let password = m.string("MasterUserPassword").sensitive().optional();
        for ignored in [
            "AllowMajorVersionUpgrade",
            "ApplyImmediately",
            "CertificateRotationRestart",
        ] {
            m.boolean(ignored).optional();
        }
        Self {
            storage: m.integer("AllocatedStorage").optional(),
            storage_type: text(m, "StorageType"),
            class: text(m, "DBInstanceClass"),
            password: password.map(members::password),
            verifier: None,
            groups: read_security_groups(m),
            parameter_group: text(m, "DBParameterGroupName"),
            option_group: text(m, "OptionGroupName"),
            certificate: text(m, "CACertificateIdentifier"),
            engine: text(m, "Engine"),
            version: text(m, "EngineVersion"),
            port: m.integer("DBPortNumber").optional(),
            subnet_group: text(m, "DBSubnetGroupName"),
            name: text(m, "NewDBInstanceIdentifier"),
            backup_window: text(m, "PreferredBackupWindow"),
            maintenance_window: text(m, "PreferredMaintenanceWindow"),
            is_protected: m.boolean("DeletionProtection").optional(),
            copies_tags: m.boolean("CopyTagsToSnapshot").optional(),
            upgrades: m.boolean("AutoMinorVersionUpgrade").optional(),
            is_public: m.boolean("PubliclyAccessible").optional(),
        }
    }

    fn checked(mut self) -> Result<Self, RdsFault> {
        self.verifier = self.password.take().transpose()?;
        let windows = (&self.backup_window, &self.maintenance_window);
        if let Some(window) = windows.0 {
            members::backup_window(window)?;
        }
        self.maintenance_window = match windows.1 {
            Some(window) => Some(members::maintenance_window(window)?),
            None => None,
        };
        if let Some(class) = self.class.as_ref().filter(|class| !is_class(class)) {
            let message = format!("Invalid DB Instance class: {class}");
            return Err(RdsFault::InvalidParameterValue(message));
        }
        Ok(self)
    }

    async fn answer(&self, found: &Instance, cx: &Cx<'_>) -> Result<Done<Described>, RdsFault> {
        let status = found.status(cx.now);
        if !MODIFIABLE.contains(&status) {
            return Err(RdsFault::InvalidDbInstanceState(
                "Database instance is not in available state.".to_owned(),
            ));
        }
        self.check_fixed(found)?;
        let mut record = found.record.clone();
        let mut database = found.database()?.clone();
        let mut size = found.volume.size;
        if let Some(kind) = &self.storage_type {
            if !STORAGE_TYPES.contains(&kind.as_str()) {
                storage_of(Some(i64::from(record.storage)), kind)?;
            }
            record.storage_type.clone_from(kind);
        }
        if let Some(asked) = self.storage {
            record.storage = self.grown(&record.storage_type, record.storage, asked)?;
            if record.storage != found.record.storage {
                size = Some(u64::from(record.storage) * GIB);
                database.happened(cx.now, Happened::Grown);
            }
        }
        if let Some(verifier) = &self.verifier {
            database.verifier = verifier.clone();
            database.password_epoch = database.password_epoch.saturating_add(1);
        }
        if let Some(groups) = self.groups.as_ref().filter(|groups| !groups.is_empty()) {
            check_security_groups(groups, &record.vpc, cx)?;
            record.groups.clone_from(groups);
        }
        let set = |flag: &mut bool, asked: Option<bool>| *flag = asked.unwrap_or(*flag);
        set(&mut record.is_protected, self.is_protected);
        set(&mut record.copies_tags, self.copies_tags);
        set(&mut record.upgrades, self.upgrades);
        set(&mut record.is_public, self.is_public);
        let replace = |text: &mut String, asked: &Option<String>| {
            if let Some(asked) = asked {
                text.clone_from(asked);
            }
        };
        replace(&mut record.class, &self.class);
        replace(&mut record.backup_window, &self.backup_window);
        replace(&mut record.maintenance_window, &self.maintenance_window);
        database.groups.clone_from(&record.groups);
        let volume = VolumeRecord {
            size,
            database: Some(Box::new(database)),
            ..found.volume.clone()
        };
        let mut batch = cx.batch();
        cx.put_instance(&mut batch, &record, Precondition::At(found.revision))?;
        cx.put_volume(&mut batch, &volume, Precondition::At(found.volume_revision))?;
        let changed = Instance {
            record,
            volume,
            ..found.clone()
        };
        Ok(Done::changed(cx.described(changed).await?, batch))
    }
}

impl ModifyDBInstance {
    /// Checks that what cannot be changed is as it is.
    fn check_fixed(&self, found: &Instance) -> Result<(), RdsFault> {
        let database = found.database()?;
        let fixed = |member: &str| Err(RdsFault::unserved(&format!("Changing {member}")));
        let differs = |asked: &Option<String>, is: &str| {
            asked
                .as_ref()
                .is_some_and(|asked| !asked.eq_ignore_ascii_case(is))
        };
        if differs(&self.name, &found.record.name) {
            return fixed("NewDBInstanceIdentifier");
        }
        if differs(&self.engine, ENGINE) {
            return fixed("Engine");
        }
        if differs(&self.subnet_group, &found.record.subnet_group) {
            return fixed("DBSubnetGroupName");
        }
        if self
            .port
            .is_some_and(|port| port != i64::from(database.port))
        {
            return fixed("DBPortNumber");
        }
        let version = Version::parse(&database.version);
        let is_version = |asked: &String| version.as_ref().is_some_and(|one| one.is_meant(asked));
        if self
            .version
            .as_ref()
            .is_some_and(|asked| !is_version(asked))
        {
            return fixed("EngineVersion");
        }
        let family = version.map(|version| version.family()).unwrap_or_default();
        if let Some(name) = &self.parameter_group
            && *name != default_parameter_group(&family)
        {
            let name = name.clone();
            return Err(RdsFault::DbParameterGroupNotFound { name });
        }
        if differs(&self.option_group, &default_option_group(&family)) {
            return fixed("OptionGroupName");
        }
        if let Some(name) = &self.certificate
            && *name != certificates::name_of(&found.volume.agent)
        {
            let name = name.clone();
            return Err(RdsFault::CertificateNotFound { name });
        }
        Ok(())
    }

    /// The storage that it has then, in GiB: as much, or at least a tenth more.
    fn grown(&self, storage_type: &str, before: u32, asked: i64) -> Result<u32, RdsFault> {
        let wrong = |message: &str| {
            let message = message.to_owned();
            Err(RdsFault::InvalidParameterCombination(message))
        };
        if asked == i64::from(before) {
            return Ok(before);
        }
        if asked < i64::from(before) {
            return wrong("Requested size cannot be smaller than existing size");
        }
        if asked * 10 < i64::from(before) * 11 {
            return wrong("The allocated storage must be increased by at least 10 percent.");
        }
        storage_of(Some(asked), storage_type)
    }
}
