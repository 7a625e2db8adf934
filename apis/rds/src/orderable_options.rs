//! `DescribeOrderableDBInstanceOptions`: which instance classes and storage may be asked for.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeOrderableDBInstanceOptions.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, structures, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Rds, classes,
    fault::RdsFault,
    installed::{ENGINE, Version},
    members,
    page::{AskedPage, Listed},
    protected::Named,
    storage::{STORAGE, STORAGE_TYPES},
};

/// The input.
#[derive(Debug)]
pub struct DescribeOrderableDBInstanceOptions {
    version: Option<String>,
    class: Option<String>,
    /// Whether what is asked for is nothing that there is.
    is_other: bool,
    page: AskedPage,
}

/// Something that may be asked for.
#[derive(Debug)]
pub struct Offer {
    version: Version,
    class: String,
    storage_type: &'static str,
    zones: Vec<String>,
}

keyward_types::action!("rds": DescribeOrderableDBInstanceOptions = "rds:DescribeOrderableDBInstanceOptions");

impl Operation for DescribeOrderableDBInstanceOptions {
    const NAME: &'static str = "DescribeOrderableDBInstanceOptions";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("Engine"),
        text("EngineVersion"),
        text("DBInstanceClass"),
        text("LicenseModel"),
        text("AvailabilityZoneGroup"),
        boolean("Vpc"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
    ];
    type Api = Rds;
    type Output = Listed<Offer>;
    type Fault = RdsFault;
    type Resolved = Named;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let mut text = |member| {
            let text = m.string(member).length(0, 255).optional();
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let engine = text("Engine");
        let version = text("EngineVersion");
        let class = text("DBInstanceClass");
        let license = text("LicenseModel");
        let zones = text("AvailabilityZoneGroup");
        let vpc = m.boolean("Vpc").optional();
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        members::known(filters, &[])?;
        let engine = members::required(engine.as_deref(), "Engine")?;
        if engine != ENGINE {
            let message = "Invalid DB engine".to_owned();
            return Err(RdsFault::InvalidParameterValue(message));
        }
        let is_other = license.is_some_and(|license| license != "postgresql-license")
            || zones.is_some()
            || vpc == Some(false);
        Ok(Self {
            version,
            class,
            is_other,
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Named, RdsFault> {
        Ok(Named::new(cx, "db", "*"))
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Offer>>, RdsFault> {
        let mut versions = cx.versions().await?;
        if let Some(asked) = &self.version {
            versions.retain(|version| version.is_meant(asked));
            if versions.is_empty() {
                return Err(RdsFault::InvalidParameterCombination(format!(
                    "Cannot find version {asked} for {ENGINE}"
                )));
            }
        }
        if self.is_other {
            versions.clear();
        }
        let zones = cx.state().vpcs.zones(cx.region);
        let mut offers = Vec::new();
        for version in versions {
            let meant = |class: &String| self.class.as_ref().is_none_or(|one| one == class);
            for class in classes::all().filter(meant) {
                offers.extend(STORAGE_TYPES.iter().map(|storage_type| Offer {
                    version: version.clone(),
                    class: class.clone(),
                    storage_type,
                    zones: zones.clone(),
                }));
            }
        }
        offers.sort_by_key(Offer::position);
        let filter = format!("{:?}", (&self.version, &self.class));
        let list = (Self::NAME, filter.as_str());
        let page = self.page.of(offers, Offer::position, list, cx)?;
        Ok(Done::unchanged(page))
    }
}

impl Offer {
    fn position(&self) -> String {
        let (version, class, kind) = (self.version.position(), &self.class, self.storage_type);
        format!("{version} {class} {kind}")
    }
}

impl Output<Rds> for Listed<Offer> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        let names = ("OrderableDBInstanceOptions", "OrderableDBInstanceOption");
        self.write(out, names, |out, offer| {
            out.text("Engine", ENGINE);
            out.text("EngineVersion", offer.version.as_str());
            out.text("DBInstanceClass", &offer.class);
            out.text("LicenseModel", "postgresql-license");
            let zones = ("AvailabilityZones", "AvailabilityZone");
            out.list_of(zones, &offer.zones, |out, zone| out.text("Name", zone));
            out.boolean("MultiAZCapable", false);
            out.boolean("ReadReplicaCapable", false);
            out.boolean("Vpc", true);
            out.boolean("SupportsStorageEncryption", true);
            out.text("StorageType", offer.storage_type);
            out.boolean("SupportsIops", false);
            out.boolean("SupportsStorageThroughput", false);
            out.boolean("SupportsEnhancedMonitoring", false);
            out.boolean("SupportsIAMDatabaseAuthentication", false);
            out.boolean("SupportsPerformanceInsights", false);
            out.integer("MinStorageSize", *STORAGE.start());
            out.integer("MaxStorageSize", *STORAGE.end());
            out.texts("SupportedEngineModes", ["provisioned"]);
            out.boolean("SupportsStorageAutoscaling", false);
            out.boolean("SupportsKerberosAuthentication", false);
            out.boolean("OutpostCapable", false);
            out.boolean("SupportsGlobalDatabases", false);
            out.texts("SupportedNetworkTypes", ["IPV4"]);
            out.boolean("SupportsClusters", false);
            out.boolean("SupportsDedicatedLogVolume", false);
        });
    }
}
