//! `createVc`: a virtual cluster of a service, as a record.

use keyward_engine::{
    audit::parameters::{
        Parameter, boolean, integer, map, masked, structure, structures, text, texts,
    },
    directory::records::V1,
    operation::Done,
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx, De,
    ask::Ask,
    de::{enable_service::random_letters, parts, parts::word, vcs::ShownCluster},
    fault::CdeFault,
    members,
    records::{ClusterRecord, ServiceRecord},
};

/// The most virtual clusters of a service.
const MOST: usize = 50;
/// The versions of Spark in Cloudera's model.
const SPARK: &[&str] = &[
    "SPARK2",
    "SPARK2_4",
    "SPARK3",
    "SPARK3_0",
    "SPARK3_1",
    "SPARK3_2",
    "SPARK3_3",
    "SPARK3_5",
    "SPARK3_5_4",
];

/// The input.
#[derive(Debug)]
pub struct CreateVc {
    name: String,
    service: String,
    cpu: String,
    memory: String,
    tier: &'static str,
    spark: &'static str,
    users: Vec<String>,
}

keyward_types::action!("de": CreateVc = "de:createVc");

impl Ask for CreateVc {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("name"),
        text("clusterId"),
        text("cpuRequests"),
        text("memoryRequests"),
        structures(
            "chartValueOverrides",
            &[text("chartName"), text("overrides")],
        ),
        structure(
            "smtpConfigs",
            &[
                text("email"),
                text("host"),
                text("username"),
                masked("password"),
                integer("port"),
                boolean("startTls"),
                boolean("ssl"),
            ],
        ),
        text("runtimeSpotComponent"),
        text("sparkVersion"),
        text("sparkOSName"),
        text("vcTier"),
        text("sessionTimeout"),
        text("aclUsers"),
        texts("fullAccessUsers"),
        texts("fullAccessGroups"),
        texts("viewOnlyUsers"),
        texts("viewOnlyGroups"),
        map("sparkConfigs"),
        boolean("enableComputeOverride"),
    ];
    const UNSERVED: &'static [&'static str] = &[
        "chartValueOverrides",
        "smtpConfigs",
        "runtimeSpotComponent",
        "sparkOSName",
        "sessionTimeout",
        "aclUsers",
        "fullAccessGroups",
        "viewOnlyUsers",
        "viewOnlyGroups",
        "sparkConfigs",
        "enableComputeOverride",
    ];
    type Of = De;
    type Output = ShownCluster;

    fn read(m: &mut Members<'_>) -> Self {
        let name = members::name(m, "name");
        let service = members::named(m, "clusterId");
        let cpu = m.string("cpuRequests").length(1, 16);
        let cpu = cpu
            .pattern("^[0-9]+m?$", |text| is_amount(text, &["", "m"]))
            .required();
        let memory = m.string("memoryRequests").length(1, 16);
        let is_memory = |text: &str| is_amount(text, &["", "Mi", "Gi", "Ti", "M", "G", "T"]);
        let memory = memory.pattern("^[0-9]+([MGT]i?)?$", is_memory).required();
        let spark = m.enumeration("sparkVersion", SPARK).optional();
        let tier = m.enumeration("vcTier", &["ALLP", "CORE"]).optional();
        Self {
            name,
            service,
            cpu: cpu.to_owned(),
            memory: memory.to_owned(),
            tier: tier.unwrap_or("CORE"),
            spark: spark.unwrap_or("SPARK3_5"),
            users: members::texts(m, "fullAccessUsers", 100),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("service/{}", self.service))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<ShownCluster>, CdeFault> {
        let (service, revision) = cx.named::<ServiceRecord>(&self.service).await?;
        let now = parts::of(cx, &service).await?;
        let (status, _) = parts::status(&service, &now, cx.now);
        if status != word::CREATED {
            return Err(CdeFault::Precondition(format!(
                "The service {} is {status}: virtual clusters need {}.",
                self.service,
                word::CREATED
            )));
        }
        let clusters = cx.clusters(&self.service).await?;
        if clusters.iter().any(|one| one.name == self.name) {
            return Err(CdeFault::Exists {
                what: "virtual cluster",
                name: self.name.clone(),
            });
        }
        if clusters.len() >= MOST {
            return Err(CdeFault::Limit {
                most: MOST,
                what: "virtual clusters in the service",
            });
        }
        let record = ClusterRecord {
            version: V1,
            id: format!("dex-app-{}", random_letters()),
            name: self.name.clone(),
            service: self.service.clone(),
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
            tier: self.tier.to_owned(),
            spark: self.spark.to_owned(),
            users: self.users.clone(),
            creator: cx.caller.principal().arn().to_owned(),
            created: cx.now,
        };
        let mut batch = cx.batch();
        cx.put(&mut batch, &record, Precondition::Absent)?;
        // Written, so that the service is not disabled meanwhile.
        cx.put(&mut batch, &service, Precondition::At(revision))?;
        Ok(Done::changed(ShownCluster::made(record), batch))
    }
}

/// Whether a text is a number with one of these units.
fn is_amount(text: &str, units: &[&str]) -> bool {
    let end = text.trim_start_matches(|c: char| c.is_ascii_digit());
    end.len() < text.len() && units.contains(&end)
}
