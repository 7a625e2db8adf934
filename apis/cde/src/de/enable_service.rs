//! `enableService`: a service in an environment, with everything that it needs, under the environment's key.
//!
//! First it is checked that the environment's role may do all of it; otherwise nothing is created. Then the service is
//! there, and its parts are created before the answer, one step after the other. If a step fails, the service says so with
//! Cloudera's word for it, and `disableService` removes what the steps before it have created.

use std::borrow::Cow;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, map, structure, structures, text, texts},
    directory::records::V1,
    forward::role::AssumedRole,
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::{tag::Tag, time::Timestamp};
use keyward_wire::json::{Members, Object};
use tokio::sync::OnceCell;

use crate::{
    Cx, De,
    ask::Tagged,
    de::{
        check, parts,
        provision::{self, Log},
        shown::ShownService,
    },
    fault::CdeFault,
    kept, members,
    records::{EnvironmentRecord, ServiceRecord},
};

/// The most services of an account.
const MOST: usize = 100;
/// The letters and digits of ids.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// What this version does not serve: nothing runs here that it could be about.
const UNSERVED: &[&str] = &[
    "enablePublicEndpoint",
    "deployPreviousVersion",
    "enableWorkloadAnalytics",
    "useSsd",
    "chartValueOverrides",
    "whitelistIps",
    "loadbalancerAllowlist",
    "enablePrivateNetwork",
    "subnets",
    "azureFilesharePrivateDNSZoneId",
    "azureDatabasePrivateDNSZoneId",
    "customAzureFilesConfigs",
    "networkOutboundType",
    "azureServiceManagedIdentity",
    "azureVirtualClusterManagedIdentities",
    "allPurposeInstanceType",
    "allPurposeMinimumInstances",
    "allPurposeMaximumInstances",
    "allPurposeMinimumSpotInstances",
    "allPurposeMaximumSpotInstances",
    "allPurposeInitialInstances",
    "allPurposeInitialSpotInstances",
    "allPurposeRootVolumeSize",
    "disableArm64",
];
/// The members that say how many machines there shall be, with their names in answers, which have others.
const INSTANCES: &[(&str, &str)] = &[
    ("minimumInstances", "min_instances"),
    ("maximumInstances", "max_instances"),
    ("initialInstances", "initial_instances"),
    ("minimumSpotInstances", "min_spot_instances"),
    ("maximumSpotInstances", "max_spot_instances"),
    ("initialSpotInstances", "initial_spot_instances"),
    ("rootVolumeSize", "root_vol_size"),
];

/// The input, and what is made for it.
#[derive(Debug)]
pub struct EnableService {
    id: String,
    name: String,
    environment: String,
    resources: Vec<(String, String)>,
    tags: Vec<Tag>,
    skips_check: bool,
    /// The role's session, and the environment, of the attempt that is committed.
    started: OnceCell<(AssumedRole, EnvironmentRecord)>,
}

keyward_types::action!("de": EnableService = "de:enableService");

impl Operation for EnableService {
    const NAME: &'static str = "enableService";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("name"),
        text("env"),
        text("instanceType"),
        integer("minimumInstances"),
        integer("maximumInstances"),
        integer("minimumSpotInstances"),
        integer("maximumSpotInstances"),
        integer("initialInstances"),
        integer("initialSpotInstances"),
        integer("rootVolumeSize"),
        boolean("enablePublicEndpoint"),
        boolean("deployPreviousVersion"),
        boolean("enableWorkloadAnalytics"),
        boolean("useSsd"),
        structures(
            "chartValueOverrides",
            &[text("chartName"), text("overrides")],
        ),
        texts("whitelistIps"),
        texts("loadbalancerAllowlist"),
        map("tags"),
        boolean("skipValidation"),
        boolean("enablePrivateNetwork"),
        texts("subnets"),
        text("azureFilesharePrivateDNSZoneId"),
        text("azureDatabasePrivateDNSZoneId"),
        structure(
            "customAzureFilesConfigs",
            &[
                text("storageAccountName"),
                text("resourceGroup"),
                text("azureFilesFQDN"),
            ],
        ),
        text("networkOutboundType"),
        text("allPurposeInstanceType"),
        integer("allPurposeMinimumInstances"),
        integer("allPurposeMaximumInstances"),
        integer("allPurposeMinimumSpotInstances"),
        integer("allPurposeMaximumSpotInstances"),
        integer("allPurposeInitialInstances"),
        integer("allPurposeInitialSpotInstances"),
        integer("allPurposeRootVolumeSize"),
        boolean("disableArm64"),
        text("azureServiceManagedIdentity"),
        text("azureVirtualClusterManagedIdentities"),
    ];
    type Api = De;
    type Output = ShownService;
    type Fault = CdeFault;
    /// The environment.
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, CdeFault> {
        members::check_served(body, UNSERVED)?;
        let mut m = Members::of(body);
        let name = members::name(&mut m, "name");
        let environment = members::named(&mut m, "env");
        let instance_type = m.string("instanceType").length(1, 64).required();
        let mut resources = vec![("instance_type".to_owned(), instance_type.to_owned())];
        let mut least = 0;
        let mut is_turned = false;
        for (member, shown) in INSTANCES {
            let number = m.integer(member).range(0, 65_536);
            let number = match *member {
                "minimumInstances" | "maximumInstances" => Some(number.required()),
                _ => number.optional(),
            };
            match *member {
                "minimumInstances" => least = number.unwrap_or_default(),
                "maximumInstances" => is_turned = number.is_some_and(|most| most < least),
                _ => {}
            }
            resources.extend(number.map(|number| ((*shown).to_owned(), number.to_string())));
        }
        let skips_check = m.boolean("skipValidation").optional().unwrap_or(false);
        let tags = m.string_map("tags").optional().unwrap_or_default();
        let tags = tags.into_iter().map(|(key, value)| Tag {
            key: key.to_owned(),
            value: Cow::into_owned(value),
        });
        let tags: Vec<Tag> = tags.collect();
        m.finish()?;
        if is_turned {
            let message = "maximumInstances must not be less than minimumInstances.";
            return Err(CdeFault::Invalid(message.to_owned()));
        }
        members::check_tags(&tags)?;
        Ok(Self {
            id: format!("cluster-{}", random_letters()),
            name,
            environment,
            resources,
            tags,
            skips_check,
            started: OnceCell::new(),
        })
    }

    async fn resolve<'c>(&self, cx: &'c Cx<'c>) -> Result<Tagged, CdeFault> {
        let resource = format!("environment/{}", self.environment);
        cx.tagged("de", resource).await
    }

    fn authorize(&self, on: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(&on.protected(), |supply| supply.request_tags(&self.tags))
    }

    async fn call<'c>(
        &self,
        _permit: &Permit<Self>,
        _environment: &Tagged,
        cx: &'c Cx<'c>,
    ) -> Result<Done<ShownService>, CdeFault> {
        let (environment, revision) = cx.environment(&self.environment).await?;
        let mut batch = cx.batch();
        let mut left = 0;
        for (one, at) in &kept::every_with_revision::<ServiceRecord>(cx).await? {
            if parts::are_gone(cx, one).await? {
                parts::forget(cx, &mut batch, (one, *at)).await?;
                continue;
            }
            left += 1;
            if one.name == self.name && one.environment == environment.name {
                let name = self.name.clone();
                return Err(CdeFault::Exists {
                    what: "service",
                    name,
                });
            }
        }
        if left >= MOST {
            return Err(CdeFault::Limit {
                most: MOST,
                what: "services",
            });
        }
        let record = self.record(&environment, cx);
        if self.started.get().is_none() {
            let arn = cx.arn_of("de", &format!("service/{}", self.id));
            let role = cx.assume_for::<De>(&environment, &arn).await?;
            if !self.skips_check {
                check::check(cx, &role, &record).await?;
            }
            // An earlier attempt may have been as far.
            let _ = self.started.set((role, environment.clone()));
        }
        cx.put(&mut batch, &record, Precondition::Absent)?;
        // Written, so that the environment is not deleted meanwhile.
        cx.put(&mut batch, &environment, Precondition::At(revision))?;
        let shown = ShownService::new(record, cx).await?.made();
        Ok(Done::changed(shown, batch))
    }

    async fn committed<'c>(&self, shown: &ShownService, cx: &'c Cx<'c>) {
        let Some((role, environment)) = self.started.get() else {
            return;
        };
        let mut log = Log::default();
        let ended = provision::run(cx, role, (&shown.record, environment), &mut log).await;
        if let Err(failure) = &ended {
            log.say(cx, format!("{}: {}", failure.word, failure.message));
        }
        provision::note(cx, &self.id, |out| {
            match &ended {
                Ok(()) => out.string("status", parts::word::CREATED),
                Err(failure) => {
                    out.string("status", failure.word);
                    out.string("statusReason", &failure.message);
                }
            }
            out.strings("logs", log.lines());
        })
        .await;
    }
}

impl EnableService {
    fn record(&self, environment: &EnvironmentRecord, cx: &Cx<'_>) -> ServiceRecord {
        let created: Timestamp = cx.now;
        ServiceRecord {
            version: V1,
            id: self.id.clone(),
            name: self.name.clone(),
            environment: environment.name.clone(),
            key: environment.key.clone(),
            region: environment.region,
            creator: cx.caller.principal().arn().to_owned(),
            created,
            resources: self.resources.clone(),
            file_system: None,
            outcome: None,
            log: Vec::new(),
            disabling: false,
            tags: self.tags.clone(),
        }
    }
}

/// Eight letters and digits.
pub(super) fn random_letters() -> String {
    let bytes: [u8; 8] = random::array();
    let letter = |byte: u8| {
        ALPHABET
            .get(usize::from(byte % 32))
            .copied()
            .unwrap_or(b'a')
    };
    bytes
        .into_iter()
        .map(|byte| char::from(letter(byte)))
        .collect()
}
