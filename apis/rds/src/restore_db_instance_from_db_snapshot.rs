//! `RestoreDBInstanceFromDBSnapshot`: a new DB instance with the data of a snapshot, under the same KMS key. The agent that
//! stores the snapshot copies it.
//!
//! The master user has the password that was set by RDS when the snapshot was made. What is not asked for is as at the
//! snapshot's instance, or as at a new one: see `Sent::checked`.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html>

mod sent;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, masked, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_wire::query::Params;

use self::sent::Sent;
use crate::{
    Cx, Rds,
    fault::RdsFault,
    members,
    new_instance::{self, New, NewInstance},
    shown::Described,
    snapshot::OneSnapshot,
};

/// The input, and what is made for it.
#[derive(Debug)]
pub struct RestoreDBInstanceFromDBSnapshot {
    sent: Sent,
    new: NewInstance,
}

/// The snapshot, and the instance that is made from it.
#[derive(Debug)]
pub struct FromTo {
    snapshot: OneSnapshot,
    new: New,
}

keyward_types::action!("rds": RestoreDBInstanceFromDBSnapshot = "rds:RestoreDBInstanceFromDBSnapshot");

impl Operation for RestoreDBInstanceFromDBSnapshot {
    const NAME: &'static str = "RestoreDBInstanceFromDBSnapshot";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        text("DBSnapshotIdentifier"),
        text("DBInstanceClass"),
        integer("Port"),
        text("AvailabilityZone"),
        text("DBSubnetGroupName"),
        boolean("MultiAZ"),
        boolean("PubliclyAccessible"),
        boolean("AutoMinorVersionUpgrade"),
        text("LicenseModel"),
        text("DBName"),
        text("Engine"),
        integer("Iops"),
        integer("StorageThroughput"),
        text("OptionGroupName"),
        structures("Tags", members::SHOWN_TAG),
        text("StorageType"),
        text("TdeCredentialArn"),
        masked("TdeCredentialPassword"),
        texts("VpcSecurityGroupIds"),
        text("Domain"),
        text("DomainFqdn"),
        text("DomainOu"),
        text("DomainAuthSecretArn"),
        texts("DomainDnsIps"),
        boolean("CopyTagsToSnapshot"),
        text("DomainIAMRoleName"),
        boolean("EnableIAMDatabaseAuthentication"),
        texts("EnableCloudwatchLogsExports"),
        structures("ProcessorFeatures", &[text("Name"), text("Value")]),
        boolean("UseDefaultProcessorFeatures"),
        text("DBParameterGroupName"),
        boolean("DeletionProtection"),
        boolean("EnableCustomerOwnedIp"),
        text("NetworkType"),
        text("BackupTarget"),
        text("CustomIamInstanceProfile"),
        integer("AllocatedStorage"),
        text("DBClusterSnapshotIdentifier"),
        integer("BackupRetentionPeriod"),
        text("PreferredBackupWindow"),
        text("DBCapacityReservationIdentifier"),
        boolean("DedicatedLogVolume"),
        text("CACertificateIdentifier"),
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
        boolean("ManageMasterUserPassword"),
        text("MasterUserSecretKmsKeyId"),
    ];
    type Api = Rds;
    type Output = Described;
    type Fault = RdsFault;
    type Resolved = FromTo;
    type Permits = (Permit<Self>, new_instance::Permits<Self>);

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let sent = Sent::read(&mut m);
        m.finish()?;
        members::check_unserved(params.object(), sent::UNSERVED)?;
        Ok(Self {
            sent: sent.checked()?,
            new: NewInstance::default(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<FromTo, RdsFault> {
        let snapshot = cx.named_snapshot(&self.sent.snapshot).await?;
        let asked = snapshot.get().and_then(|found| self.sent.asked(found)).ok();
        Ok(FromTo {
            new: New::of(&self.sent.name, asked.as_ref(), cx).await?,
            snapshot: snapshot.with_request_tags(&self.sent.tags),
        })
    }

    fn authorize(&self, from_to: &FromTo, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let tags = &self.sent.tags;
        let of_snapshot = gate.permit(&from_to.snapshot, |supply| supply.request_tags(tags))?;
        Ok((of_snapshot, from_to.new.authorize(gate, tags)?))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        from_to: &FromTo,
        cx: &Cx<'_>,
    ) -> Result<Done<Described>, RdsFault> {
        let found = from_to.snapshot.get()?.available()?;
        let asked = self.sent.asked(found)?;
        self.new.make(&asked, cx).await
    }

    async fn abandoned(&self, cx: &Cx<'_>) {
        self.new.abandoned(&self.sent.name, cx).await;
    }
}
