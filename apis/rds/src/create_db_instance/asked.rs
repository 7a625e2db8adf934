//! The members of a request for a new DB instance, and AWS's rules for them.

use keyward_types::tag::Tag;
use keyward_wire::json::Members;

use crate::{
    classes::is_class,
    fault::RdsFault,
    groups::read_security_groups,
    installed::ENGINE,
    members::{self, Unserved},
    new_instance::Asked,
    reserved::is_reserved,
    storage::storage_of,
    subnet_group,
};

/// PostgreSQL's port.
const PORT: u16 = 5432;
/// What this version does not serve, and what of it means nothing.
pub(super) const UNSERVED: Unserved = &[
    ("AdditionalStorageVolumes", &[]),
    ("BackupRetentionPeriod", &["0"]),
    ("BackupTarget", &["region"]),
    ("CharacterSetName", &[]),
    ("CustomIamInstanceProfile", &[]),
    ("DBCapacityReservationIdentifier", &[]),
    ("DBClusterIdentifier", &[]),
    ("DBSecurityGroups", &[]),
    ("DBSystemId", &[]),
    ("DatabaseInsightsMode", &["standard"]),
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
    ("NcharCharacterSetName", &[]),
    ("NetworkType", &["IPV4"]),
    ("PerformanceInsightsKMSKeyId", &[]),
    ("PerformanceInsightsRetentionPeriod", &[]),
    ("ProcessorFeatures", &[]),
    ("PromotionTier", &[]),
    ("StorageThroughput", &["0"]),
    ("TagSpecifications", &[]),
    ("TdeCredentialArn", &[]),
    ("TdeCredentialPassword", &[]),
    ("Timezone", &[]),
];

/// The members as they were sent.
#[derive(Debug)]
pub(super) struct Sent<'o> {
    name: Option<&'o str>,
    class: Option<&'o str>,
    engine: Option<&'o str>,
    version: Option<&'o str>,
    storage: Option<i64>,
    storage_type: Option<&'o str>,
    master: Option<&'o str>,
    password: Password<'o>,
    database: Option<&'o str>,
    port: Option<i64>,
    encrypted: bool,
    key: Option<&'o str>,
    zone: Option<&'o str>,
    subnet_group: Option<&'o str>,
    groups: Vec<String>,
    parameter_group: Option<&'o str>,
    option_group: Option<&'o str>,
    certificate: Option<&'o str>,
    backup_window: Option<&'o str>,
    maintenance_window: Option<&'o str>,
    is_protected: bool,
    copies_tags: bool,
    upgrades: bool,
    is_public: bool,
    tags: Vec<Tag>,
}

/// A password as it was sent.
struct Password<'o>(Option<&'o str>);

impl std::fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

impl<'o> Sent<'o> {
    pub(super) fn read(m: &mut Members<'o>) -> Self {
        fn name<'o>(m: &mut Members<'o>, member: &'static str) -> Option<&'o str> {
            m.string(member).length(0, 255).optional()
        }
        fn is<'o>(m: &mut Members<'o>, member: &'static str) -> Option<bool> {
            m.boolean(member).optional()
        }
        Self {
            name: name(m, "DBInstanceIdentifier"),
            class: name(m, "DBInstanceClass"),
            engine: name(m, "Engine"),
            version: name(m, "EngineVersion"),
            storage: m.integer("AllocatedStorage").optional(),
            storage_type: name(m, "StorageType"),
            master: name(m, "MasterUsername"),
            password: Password(m.string("MasterUserPassword").sensitive().optional()),
            database: name(m, "DBName"),
            port: m.integer("Port").optional(),
            encrypted: is(m, "StorageEncrypted").unwrap_or(false),
            key: m.string("KmsKeyId").length(1, 2048).optional(),
            zone: name(m, "AvailabilityZone"),
            subnet_group: name(m, "DBSubnetGroupName"),
            groups: read_security_groups(m).unwrap_or_default(),
            parameter_group: name(m, "DBParameterGroupName"),
            option_group: name(m, "OptionGroupName"),
            certificate: name(m, "CACertificateIdentifier"),
            backup_window: name(m, "PreferredBackupWindow"),
            maintenance_window: name(m, "PreferredMaintenanceWindow"),
            is_protected: is(m, "DeletionProtection").unwrap_or(false),
            copies_tags: is(m, "CopyTagsToSnapshot").unwrap_or(false),
            upgrades: is(m, "AutoMinorVersionUpgrade").unwrap_or(true),
            is_public: is(m, "PubliclyAccessible").unwrap_or(false),
            tags: members::tags(m).unwrap_or_default(),
        }
    }

    pub(super) fn checked(self) -> Result<Asked, RdsFault> {
        let name = members::required(self.name, "DBInstanceIdentifier")?;
        let name = members::identifier(&name, "DBInstanceIdentifier")?;
        let wrong = |message: String| Err(RdsFault::InvalidParameterValue(message));
        if members::required(self.engine, "Engine")? != ENGINE {
            return wrong("Invalid DB engine".to_owned());
        }
        let class = members::required(self.class, "DBInstanceClass")?;
        if !is_class(&class) {
            return wrong(format!("Invalid DB Instance class: {class}"));
        }
        let master = members::required(self.master, "MasterUsername")?;
        check_word(&master, ("MasterUsername", 16))?;
        let password = members::required(self.password.0, "MasterUserPassword")?;
        let verifier = members::password(&password)?;
        if let Some(database) = self.database {
            check_word(database, ("DBName", 63))?;
        }
        let storage_type = self.storage_type.unwrap_or("gp2");
        let storage = self.storage;
        let storage = storage_of(storage, storage_type)?;
        let port = self.port.map_or(Ok(PORT), members::port)?;
        if self.key.is_some() && !self.encrypted {
            let message = "KmsKeyId can be specified only if StorageEncrypted is true.";
            return Err(RdsFault::InvalidParameterCombination(message.to_owned()));
        }
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let subnet_group = owned(self.subnet_group);
        let backup = self.backup_window.map(members::backup_window).transpose()?;
        let maintenance = self.maintenance_window;
        let maintenance = maintenance.map(members::maintenance_window).transpose()?;
        Ok(Asked {
            name,
            class,
            version: owned(self.version),
            storage,
            storage_type: storage_type.to_owned(),
            master,
            verifier,
            database: owned(self.database),
            port,
            encrypted: self.encrypted,
            key: owned(self.key),
            zone: owned(self.zone),
            subnet_group: subnet_group.map_or_else(
                || subnet_group::DEFAULT.to_owned(),
                |name| name.to_ascii_lowercase(),
            ),
            groups: self.groups,
            parameter_group: owned(self.parameter_group),
            option_group: owned(self.option_group),
            certificate: owned(self.certificate),
            backup_window: backup.unwrap_or_else(|| members::BACKUP_WINDOW.to_owned()),
            maintenance_window: maintenance
                .unwrap_or_else(|| members::MAINTENANCE_WINDOW.to_owned()),
            is_protected: self.is_protected,
            copies_tags: self.copies_tags,
            upgrades: self.upgrades,
            is_public: self.is_public,
            tags: members::checked(self.tags)?,
            from: None,
        })
    }
}

/// Checks that a word names a user or a database.
fn check_word(word: &str, (member, most): (&str, usize)) -> Result<(), RdsFault> {
    let wrong = |message: String| Err(RdsFault::InvalidParameterValue(message));
    let begins = word.bytes().next();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !begins.is_some_and(|byte| byte.is_ascii_alphabetic()) || !word.bytes().all(legal) {
        return wrong(format!(
            "{member} must begin with a letter and contain only alphanumeric characters."
        ));
    }
    if word.len() > most {
        return wrong(format!("{member} must have at most {most} characters."));
    }
    if is_reserved(word) {
        return wrong(format!(
            "{member} {word} cannot be used as it is a reserved word used by the engine"
        ));
    }
    Ok(())
}
