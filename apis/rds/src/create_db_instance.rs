//! `CreateDBInstance`: a new PostgreSQL, on an encrypted volume or a plain one.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
//!
//! An agent of the account and Region runs it: of those that have PostgreSQL in the version that is asked for, the one
//! that stores the fewest volumes. It is `creating` until the agent says that it runs. The master password is turned
//! into what PostgreSQL stores of it when the request is read, and kept nowhere else.

mod asked;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, masked, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Operation},
};
use keyward_wire::query::Params;

use self::asked::Sent;
use crate::{
    Cx, Rds,
    fault::RdsFault,
    members,
    new_instance::{Asked, New, NewInstance, Permits},
    shown::Described,
};

/// The input, and what is made for it.
#[derive(Debug)]
pub struct CreateDBInstance {
    asked: Asked,
    new: NewInstance,
}

keyward_types::action!("rds": CreateDBInstance = "rds:CreateDBInstance");

impl Operation for CreateDBInstance {
    const NAME: &'static str = "CreateDBInstance";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBName"),
        text("DBInstanceIdentifier"),
        integer("AllocatedStorage"),
        text("DBInstanceClass"),
        text("Engine"),
        text("MasterUsername"),
        masked("MasterUserPassword"),
        texts("DBSecurityGroups"),
        texts("VpcSecurityGroupIds"),
        text("AvailabilityZone"),
        text("DBSubnetGroupName"),
        text("PreferredMaintenanceWindow"),
        text("DBParameterGroupName"),
        integer("BackupRetentionPeriod"),
        text("PreferredBackupWindow"),
        integer("Port"),
        boolean("MultiAZ"),
        text("EngineVersion"),
        boolean("AutoMinorVersionUpgrade"),
        text("LicenseModel"),
        integer("Iops"),
        integer("StorageThroughput"),
        text("OptionGroupName"),
        text("CharacterSetName"),
        text("NcharCharacterSetName"),
        boolean("PubliclyAccessible"),
        structures("Tags", members::SHOWN_TAG),
        text("DBClusterIdentifier"),
        text("StorageType"),
        text("TdeCredentialArn"),
        masked("TdeCredentialPassword"),
        boolean("StorageEncrypted"),
        text("KmsKeyId"),
        text("Domain"),
        text("DomainFqdn"),
        text("DomainOu"),
        text("DomainAuthSecretArn"),
        texts("DomainDnsIps"),
        boolean("CopyTagsToSnapshot"),
        integer("MonitoringInterval"),
        text("MonitoringRoleArn"),
        text("DomainIAMRoleName"),
        integer("PromotionTier"),
        text("Timezone"),
        boolean("EnableIAMDatabaseAuthentication"),
        text("DatabaseInsightsMode"),
        boolean("EnablePerformanceInsights"),
        text("PerformanceInsightsKMSKeyId"),
        integer("PerformanceInsightsRetentionPeriod"),
        texts("EnableCloudwatchLogsExports"),
        structures("ProcessorFeatures", &[text("Name"), text("Value")]),
        boolean("DeletionProtection"),
        integer("MaxAllocatedStorage"),
        boolean("EnableCustomerOwnedIp"),
        text("NetworkType"),
        text("BackupTarget"),
        text("CustomIamInstanceProfile"),
        text("DBSystemId"),
        text("CACertificateIdentifier"),
        boolean("ManageMasterUserPassword"),
        text("MasterUserSecretKmsKeyId"),
        boolean("MultiTenant"),
        boolean("DedicatedLogVolume"),
        text("EngineLifecycleSupport"),
        structures(
            "AdditionalStorageVolumes",
            &[
                text("VolumeName"),
                integer("AllocatedStorage"),
                integer("IOPS"),
                integer("MaxAllocatedStorage"),
                integer("StorageThroughput"),
                text("StorageType"),
            ],
        ),
        structures(
            "TagSpecifications",
            &[text("ResourceType"), structures("Tags", members::SHOWN_TAG)],
        ),
        text("DBCapacityReservationIdentifier"),
        text("MasterUserAuthenticationType"),
    ];
    type Api = Rds;
    type Output = Described;
    type Fault = RdsFault;
    type Resolved = New;
    type Permits = Permits<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let sent = Sent::read(&mut m);
        m.finish()?;
        members::check_unserved(params.object(), asked::UNSERVED)?;
        Ok(Self {
            asked: sent.checked()?,
            new: NewInstance::default(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, RdsFault> {
        New::of(&self.asked.name, Some(&self.asked), cx).await
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        new.authorize(gate, &self.asked.tags)
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        _new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<Described>, RdsFault> {
        self.new.make(&self.asked, cx).await
    }

    async fn abandoned(&self, cx: &Cx<'_>) {
        self.new.abandoned(&self.asked.name, cx).await;
    }
}
