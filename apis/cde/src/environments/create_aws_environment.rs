//! `createAWSEnvironment`: where services can be enabled, as which role, and under which KMS key.
//!
//! Nothing runs in an environment itself here: there are no machines, no FreeIPA and no Data Lake. It is `AVAILABLE` at
//! once, when its role could be assumed and may see the key.

use keyward_altus::KeyId;
use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, structure, structures, text, texts},
    directory::records::V1,
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_types::{region::Region, tag::Tag};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments,
    ask::Ask,
    environments::shown::ShownEnvironment,
    fault::CdeFault,
    kept,
    keys::{check_key_seen, checked_key},
    members::{self, SHOWN_TAG},
    records::{CredentialRecord, EnvironmentRecord},
};

/// The most environments of an account.
const MOST: usize = 100;
/// The most subnets of an environment.
const MOST_SUBNETS: usize = 20;

/// The input.
#[derive(Debug)]
pub struct CreateAWSEnvironment {
    name: String,
    credential: String,
    region: String,
    cidr: Option<String>,
    /// The member that names a security group, if there is one.
    security_group: Option<&'static str>,
    login_key: Option<String>,
    log_location: String,
    log_profile: String,
    vpc: Option<String>,
    subnets: Vec<String>,
    description: Option<String>,
    tags: Vec<Tag>,
    key: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct Created(ShownEnvironment);

keyward_types::action!("environments": CreateAWSEnvironment = "environments:createAWSEnvironment");

impl Ask for CreateAWSEnvironment {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("environmentName"),
        text("credentialName"),
        text("region"),
        structure(
            "securityAccess",
            &[
                text("cidr"),
                text("securityGroupIdForKnox"),
                text("defaultSecurityGroupId"),
                texts("securityGroupIDsForKnox"),
                texts("defaultSecurityGroupIDs"),
            ],
        ),
        structure("authentication", &[text("publicKey"), text("publicKeyId")]),
        structure(
            "logStorage",
            &[
                text("storageLocationBase"),
                text("instanceProfile"),
                text("backupStorageLocationBase"),
            ],
        ),
        text("vpcId"),
        texts("subnetIds"),
        boolean("createPrivateSubnets"),
        boolean("createServiceEndpoints"),
        text("endpointAccessGatewayScheme"),
        texts("endpointAccessGatewaySubnetIds"),
        text("s3GuardTableName"),
        text("description"),
        boolean("enableTunnel"),
        boolean("workloadAnalytics"),
        structure(
            "freeIpa",
            &[
                integer("instanceCountByGroup"),
                texts("recipes"),
                text("instanceType"),
                boolean("multiAz"),
                text("architecture"),
            ],
        ),
        boolean("enableComputeCluster"),
        structure(
            "computeClusterConfiguration",
            &[
                boolean("privateCluster"),
                texts("kubeApiAuthorizedIpRanges"),
                texts("workerNodeSubnets"),
            ],
        ),
        structure("image", &[text("catalog"), text("id"), text("os")]),
        structures("tags", SHOWN_TAG),
        text("proxyConfigName"),
        text("encryptionKeyArn"),
        structure("customDockerRegistry", &[text("crn")]),
        text("environmentType"),
    ];
    const UNSERVED: &'static [&'static str] = &[
        "createPrivateSubnets",
        "createServiceEndpoints",
        "endpointAccessGatewayScheme",
        "endpointAccessGatewaySubnetIds",
        "s3GuardTableName",
        "enableComputeCluster",
        "computeClusterConfiguration",
        "image",
        "proxyConfigName",
        "customDockerRegistry",
        "freeIpa",
        "enableTunnel",
        "workloadAnalytics",
    ];
    type Of = Environments;
    type Output = Created;

    fn read(m: &mut Members<'_>) -> Self {
        let name = members::name(m, "environmentName");
        let credential = members::named(m, "credentialName");
        let region = m.string("region").length(1, 32).required().to_owned();
        let access = m.structure("securityAccess", |m| {
            let mut group = None;
            for member in ["securityGroupIdForKnox", "defaultSecurityGroupId"] {
                if members::optional(m, member, 256).is_some() {
                    group = Some(member);
                }
            }
            for member in ["securityGroupIDsForKnox", "defaultSecurityGroupIDs"] {
                if !members::texts(m, member, 100).is_empty() {
                    group = Some(member);
                }
            }
            (members::optional(m, "cidr", 64), group)
        });
        let (cidr, security_group) = access.required();
        let login_key = m.structure("authentication", |m| {
            members::optional(m, "publicKey", 4096);
            members::optional(m, "publicKeyId", 256)
        });
        let login_key = login_key.required();
        let logs = m.structure("logStorage", |m| {
            let location = m.string("storageLocationBase").length(1, 1024).required();
            let profile = m.string("instanceProfile").length(1, 2048).required();
            (location.to_owned(), profile.to_owned())
        });
        let (log_location, log_profile) = logs.required();
        let vpc = members::optional(m, "vpcId", 64);
        let subnets = members::texts(m, "subnetIds", MOST_SUBNETS);
        let description = members::optional(m, "description", 1000);
        m.enumeration("environmentType", &["PUBLIC_CLOUD"])
            .optional();
        let tags = m.structures("tags", |tag| Tag {
            key: tag.string("key").required().to_owned(),
            value: tag.string("value").required().to_owned(),
        });
        let tags = tags.optional().unwrap_or_default();
        let key = members::optional(m, "encryptionKeyArn", 2048);
        Self {
            name,
            credential,
            region,
            cidr,
            security_group,
            login_key,
            log_location,
            log_profile,
            vpc,
            subnets,
            description,
            tags,
            key: key.filter(|key| !key.is_empty()),
        }
    }

    fn checked(self) -> Result<Self, CdeFault> {
        // Whoever names one would believe that it protects something.
        if let Some(member) = self.security_group {
            return Err(CdeFault::Unserved(member));
        }
        members::check_tags(&self.tags)?;
        Ok(self)
    }

    fn resource(&self) -> Option<String> {
        Some(format!("environment/{}", self.name))
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }

    fn uses_credential(&self) -> Option<&str> {
        Some(&self.credential)
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Created>, CdeFault> {
        if kept::find::<EnvironmentRecord>(cx, &self.name)
            .await?
            .is_some()
        {
            return Err(CdeFault::Exists {
                what: "environment",
                name: self.name.clone(),
            });
        }
        if kept::every::<EnvironmentRecord>(cx).await?.len() >= MOST {
            return Err(CdeFault::Limit {
                most: MOST,
                what: "environments",
            });
        }
        let record = self.record(cx)?;
        let arn = cx.arn_of_environment(&self.name);
        let role = cx.assume_for::<Environments>(&record, &arn).await?;
        if let Some(key) = &record.key {
            check_key_seen(cx, &role, key).await?;
        }
        let mut batch = cx.batch();
        cx.put(&mut batch, &record, Precondition::Absent)?;
        // Written, so that it is not deleted meanwhile.
        let (credential, revision) = cx.named::<CredentialRecord>(&record.credential).await?;
        cx.put(&mut batch, &credential, Precondition::At(revision))?;
        Ok(Done::changed(
            Created(ShownEnvironment::new(record, cx)),
            batch,
        ))
    }
}

impl CreateAWSEnvironment {
    fn record(&self, cx: &Cx<'_>) -> Result<EnvironmentRecord, CdeFault> {
        let region = Region::parse(&self.region).ok();
        let region = region.filter(|region| cx.shared().regions().contains(region));
        let region = region.ok_or_else(|| {
            CdeFault::Invalid(format!("{} is not a Region of this server.", self.region))
        })?;
        let key = self.key.as_deref();
        let key = key.map(|key| checked_key(cx, key, region)).transpose()?;
        let vpcs = &cx.state().vpcs;
        let mut all = vpcs.subnets(region);
        if !self.subnets.is_empty() {
            let unknown = |id: &&String| all.iter().all(|subnet| subnet.id != **id);
            if let Some(id) = self.subnets.iter().find(unknown) {
                let message = format!("There is no subnet {id} in {region}.");
                return Err(CdeFault::Invalid(message));
            }
            all.retain(|subnet| self.subnets.contains(&subnet.id));
        }
        let asked = self.vpc.as_deref();
        let vpc = asked
            .map(str::to_owned)
            .or_else(|| all.first().map(|first| first.vpc.clone()));
        let vpc = vpc.unwrap_or_default();
        let named = all.len();
        all.retain(|subnet| subnet.vpc == vpc);
        if all.is_empty() || (!self.subnets.is_empty() && all.len() < named) {
            let message = format!("The subnets must be subnets of one VPC, {vpc}, in {region}.");
            return Err(CdeFault::Invalid(message));
        }
        Ok(EnvironmentRecord {
            version: V1,
            name: self.name.clone(),
            id: KeyId::from_random(random::array()).to_string(),
            credential: self.credential.clone(),
            region,
            key,
            subnets: all
                .into_iter()
                .map(|subnet| subnet.id)
                .take(MOST_SUBNETS)
                .collect(),
            vpc,
            description: self.description.clone(),
            log_location: self.log_location.clone(),
            log_profile: self.log_profile.clone(),
            cidr: self.cidr.clone(),
            login_key: self.login_key.clone(),
            tags: self.tags.clone(),
            creator: cx.caller.principal().arn().to_owned(),
            created: cx.now,
        })
    }
}

impl Output<Environments> for Created {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("environment", |out| self.0.write(out));
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("environment", |out| self.0.write(out));
    }
}
