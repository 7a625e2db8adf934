//! `CreateDBInstance`: a new PostgreSQL, on an encrypted volume or a plain one.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
//!
//! An agent of the account and Region runs it: of those that have PostgreSQL in the version that is asked for, the one
//! that stores the fewest volumes. It is `creating` until the agent says that it runs. The master password is turned
//! into what PostgreSQL stores of it when the request is read, and kept nowhere else.

mod asked;
mod place;

use keyward_crypto::{digest::sha256, random};
use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, masked, structures, text, texts},
    directory::{
        addresses, paths, purpose,
        records::{
            self, V1,
            database::DatabaseRecord,
            storage::{self, AddressRecord, VolumeKey, VolumeRecord, Wanted},
        },
    },
    fault::Internal,
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::storage::VolumeId;
use keyward_wire::query::Params;
use tokio::sync::OnceCell;

use self::{
    asked::{Asked, Sent},
    place::Place,
};
use crate::{
    Cx, Rds,
    data_key::{self, DEFAULT_KEY, For},
    fault::RdsFault,
    groups::{default_option_group, default_parameter_group},
    installed::{ENGINE, Version},
    instance::{self, Instance, OneInstance},
    members,
    protected::{Named, Traits},
    records::DbInstanceRecord,
    shown::Described,
    storage::GIB,
    tags::AddTagsToResource,
};

/// The input, and what was made for it.
#[derive(Debug)]
pub struct CreateDBInstance {
    asked: Asked,
    /// The ids that it and its volume get, whatever conflicts its commit meets.
    id: VolumeId,
    volume: String,
    made: OnceCell<VolumeKey>,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

/// What a new instance is about.
#[derive(Debug)]
pub struct New {
    one: OneInstance,
    /// The groups that it uses.
    used: [Named; 3],
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
    type Permits = (
        Permit<Self>,
        [Permit<Self>; 3],
        Option<Permit<AddTagsToResource>>,
    );

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let sent = Sent::read(&mut m);
        m.finish()?;
        members::check_unserved(params.object(), asked::UNSERVED)?;
        let digits: [u8; 9] = random::array();
        let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            asked: sent.checked()?,
            id: VolumeId::of_database(random::array()),
            volume: format!("vol-{}", digits.get(..17).unwrap_or_default()),
            made: OnceCell::new(),
            turn: OnceCell::new(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, RdsFault> {
        let traits = Traits {
            class: Some(self.asked.class.clone()),
            database: self.asked.database.clone(),
            encrypted: Some(self.asked.encrypted),
            storage: Some(self.asked.storage),
            request_tags: self.asked.tags.clone(),
        };
        // Groups are named after a version. If there is none, nothing is made, whoever asks.
        let asked = self.asked.version.as_deref();
        let mut versions = cx.versions().await?;
        versions.retain(|version| asked.is_none_or(|asked| version.is_meant(asked)));
        let family = versions.last().map(Version::family);
        let family = family.unwrap_or_else(|| ENGINE.to_owned());
        let (subnet_group, _) = cx.named_group(&self.asked.subnet_group).await?;
        let parameter_group = default_parameter_group(&family);
        let option_group = default_option_group(&family);
        let named = |kind: &str, name: &str| Named::new(cx, kind, name);
        let parameter_group = self
            .asked
            .parameter_group
            .as_deref()
            .unwrap_or(&parameter_group);
        let option_group = self.asked.option_group.as_deref().unwrap_or(&option_group);
        let used = [
            named("og", option_group),
            named("pg", parameter_group),
            subnet_group,
        ];
        Ok(New {
            one: OneInstance::to_be_made(cx, &self.asked.name, traits.clone()),
            used: used.map(|named| named.used_for(&traits)),
        })
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let permit = gate.permit(&new.one, |supply| supply.request_tags(&self.asked.tags))?;
        let [options, parameters, subnets] = &new.used;
        let used = |named| gate.permit(named, |supply| supply.request_tags(&self.asked.tags));
        let used = [used(options)?, used(parameters)?, used(subnets)?];
        Ok((permit, used, gate.tagging(&new.one, &self.asked.tags)?))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<Described>, RdsFault> {
        let key = match self.asked.encrypted {
            true => {
                // KMS is not asked for what cannot be made.
                self.asked.place(cx).await?;
                let named = self.asked.key.as_deref().unwrap_or(DEFAULT_KEY);
                let of = For {
                    arn: new.one.arn(),
                    id: self.id.as_str(),
                    volume: &self.volume,
                };
                let make = || data_key::create(cx, named, of);
                Some(self.made.get_or_try_init(make).await?.clone())
            }
            false => None,
        };
        let turn = || cx.state().creations.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
        let place = self.asked.place(cx).await?;
        let instance = self.instance(&place, key, cx);
        let mut batch = cx.batch();
        let absent = Precondition::Absent;
        cx.put_instance(&mut batch, &instance.record, absent)?;
        cx.put_volume(&mut batch, &instance.volume, absent)?;
        let address = AddressRecord {
            version: V1,
            address: place.address,
            user: self.id.to_string(),
        };
        let bytes = records::encode(&address).map_err(Internal::new)?;
        // Another resource may have got it meanwhile.
        let path = addresses::path(cx, place.address);
        batch.put(path, purpose::SUBNET_ADDRESS, &bytes, absent)?;
        // The agent must not have gone meanwhile.
        let path = paths::agent(cx.region, cx.account(), &place.agent.id);
        batch.check(path, Precondition::At(place.agent_revision))?;
        let output = Described::new(instance, Some(place.group), cx);
        Ok(Done::changed(output, batch))
    }

    /// An earlier attempt, or one whose commit failed, may have made grants that nobody needs now.
    async fn abandoned(&self, cx: &Cx<'_>) {
        let Some(key) = self.made.get() else { return };
        let arn = instance::arn(cx.region, cx.account(), &self.asked.name);
        let retired = async {
            let path = paths::volume(cx.region, cx.account(), &self.id);
            let found = cx.directory().rare::<VolumeRecord>(&path, purpose::VOLUME);
            // The store may have failed after it had committed.
            if found.await.map_err(Internal::new)?.is_some() {
                return Ok(());
            }
            data_key::retire(cx, key, &arn).await
        };
        let retired: Result<(), Internal> = retired.await;
        if let Err(error) = retired {
            let (cause, instance) = (error.chain(), self.id.as_str());
            let (key, grant) = (&key.key, &key.grant);
            tracing::error!(
                cause,
                instance,
                key,
                grant,
                "grants without an instance cannot be retired"
            );
        }
    }
}

impl CreateDBInstance {
    fn instance(&self, place: &Place, key: Option<VolumeKey>, cx: &Cx<'_>) -> Instance {
        let record = DbInstanceRecord {
            version: V1,
            name: self.asked.name.clone(),
            id: self.id.clone(),
            created: cx.now,
            class: self.asked.class.clone(),
            storage: self.asked.storage,
            storage_type: self.asked.storage_type.clone(),
            database: self.asked.database.clone(),
            key: key.as_ref().map(|key| key.key.clone()),
            subnet_group: self.asked.subnet_group.clone(),
            subnet: place.subnet.id.clone(),
            vpc: place.subnet.vpc.clone(),
            zone: place.subnet.zone.clone(),
            groups: place.groups.clone(),
            backup_window: self.asked.backup_window.clone(),
            maintenance_window: self.asked.maintenance_window.clone(),
            is_protected: self.asked.is_protected,
            copies_tags: self.asked.copies_tags,
            upgrades: self.asked.upgrades,
            is_public: self.asked.is_public,
            tags: self.asked.tags.clone(),
        };
        let database = DatabaseRecord {
            engine: ENGINE.to_owned(),
            version: place.version.as_str().to_owned(),
            running: true,
            address: place.address,
            port: self.asked.port,
            // The engine's own database is there anyway.
            name: self.asked.database.clone().filter(|name| name != ENGINE),
            master: self.asked.master.clone(),
            verifier: self.asked.verifier.clone(),
            password_epoch: 1,
            restart_epoch: 0,
            names: vec![host_name(&self.asked.name, cx), place.address.to_string()],
            groups: place.groups.clone(),
            locked: None,
            ran: false,
            reported: None,
            events: Vec::new(),
        };
        let belongings = vec![
            instance::path(cx, &self.asked.name).as_str().to_owned(),
            addresses::path(cx, place.address).as_str().to_owned(),
        ];
        let volume = VolumeRecord {
            version: V1,
            id: self.id.clone(),
            service: "rds".to_owned(),
            agent: place.agent.id.clone(),
            created: cx.now,
            generation: 1,
            wanted: Wanted::Present,
            key,
            made: false,
            available_on: None,
            reported: None,
            source: instance::arn(cx.region, cx.account(), &self.asked.name),
            belongings,
            targets: Vec::new(),
            authorization: storage::first(),
            backs_up: false,
            backup: None,
            size: Some(u64::from(self.asked.storage) * GIB),
            database: Some(Box::new(database)),
            image_generation: None,
        };
        Instance {
            record,
            revision: Revision::default(),
            volume,
            volume_revision: Revision::default(),
        }
    }
}

/// A name for certificates, as AWS makes them: the instance's, something of its account's own, and the Region.
fn host_name(name: &str, cx: &Cx<'_>) -> String {
    let (account, region) = (cx.account(), cx.region);
    let hash = sha256(format!("{account}/{region}").as_bytes());
    let own: String = hash
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{name}.{own}.{region}.rds.localhost")
}
