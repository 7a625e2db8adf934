//! `DescribeDBEngineVersions`: the versions of PostgreSQL that agents of the account and Region have.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBEngineVersions.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, structures, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Rds,
    fault::RdsFault,
    installed::{ENGINE, Version},
    members::{self, Filter},
    page::{AskedPage, Listed},
    protected::Named,
};

/// The filters that there are.
const FILTERS: &[&str] = &[
    "db-parameter-group-family",
    "engine",
    "engine-mode",
    "engine-version",
    "status",
];

/// The input.
#[derive(Debug)]
pub struct DescribeDBEngineVersions {
    engine: Option<String>,
    version: Option<String>,
    family: Option<String>,
    filters: Vec<Filter>,
    only_default: bool,
    page: AskedPage,
}

keyward_types::action!("rds": DescribeDBEngineVersions = "rds:DescribeDBEngineVersions");

impl Operation for DescribeDBEngineVersions {
    const NAME: &'static str = "DescribeDBEngineVersions";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("Engine"),
        text("EngineVersion"),
        text("DBParameterGroupFamily"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
        boolean("DefaultOnly"),
        boolean("ListSupportedCharacterSets"),
        boolean("ListSupportedTimezones"),
        boolean("IncludeAll"),
    ];
    type Api = Rds;
    type Output = Listed<Version>;
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
        let family = text("DBParameterGroupFamily");
        let only_default = m.boolean("DefaultOnly").optional().unwrap_or(false);
        for ignored in [
            "IncludeAll",
            "ListSupportedCharacterSets",
            "ListSupportedTimezones",
        ] {
            m.boolean(ignored).optional();
        }
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        Ok(Self {
            engine,
            version,
            family,
            filters: members::known(filters, FILTERS)?,
            only_default,
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Named, RdsFault> {
        Ok(Named::new(cx, "pg", "*"))
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Version>>, RdsFault> {
        let mut versions = cx.versions().await?;
        versions.retain(|version| {
            self.engine.as_deref().is_none_or(|engine| engine == ENGINE)
                && self
                    .version
                    .as_deref()
                    .is_none_or(|asked| version.is_meant(asked))
                && self
                    .family
                    .as_deref()
                    .is_none_or(|family| family == version.family())
                && self.filters.iter().all(|filter| is_meant(version, filter))
        });
        if self.only_default {
            let newest = versions.pop();
            versions.clear();
            versions.extend(newest);
        }
        let filter = format!(
            "{:?}",
            (&self.engine, &self.version, &self.family, &self.filters)
        );
        let list = (Self::NAME, filter.as_str());
        let position = |version: &Version| version.position();
        Ok(Done::unchanged(self.page.of(versions, position, list, cx)?))
    }
}

/// Whether a filter lets a version through.
fn is_meant(version: &Version, filter: &Filter) -> bool {
    let mut values = filter.values.iter();
    match filter.name.as_str() {
        "db-parameter-group-family" => values.any(|value| *value == version.family()),
        "engine" => values.any(|value| value == ENGINE),
        "engine-mode" => values.any(|value| value == "provisioned"),
        "engine-version" => values.any(|value| value == version.as_str()),
        _ => values.any(|value| value == "available"),
    }
}

impl Output<Rds> for Listed<Version> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(
            out,
            ("DBEngineVersions", "DBEngineVersion"),
            |out, version| {
                out.text("Engine", ENGINE);
                out.text("MajorEngineVersion", &version.major().to_string());
                out.text("EngineVersion", version.as_str());
                out.text("DBParameterGroupFamily", &version.family());
                out.text("DBEngineDescription", "PostgreSQL");
                let described = format!("PostgreSQL {}", version.as_str());
                out.text("DBEngineVersionDescription", &described);
                out.list("ValidUpgradeTarget", [(); 0], |_, ()| ());
                out.texts("ExportableLogTypes", [""; 0]);
                out.boolean("SupportsLogExportsToCloudwatchLogs", false);
                out.boolean("SupportsReadReplica", false);
                out.texts("SupportedEngineModes", ["provisioned"]);
                out.texts("SupportedFeatureNames", [""; 0]);
                out.text("Status", "available");
                out.boolean("SupportsParallelQuery", false);
                out.boolean("SupportsGlobalDatabases", false);
                out.boolean("SupportsBabelfish", false);
                out.boolean("SupportsCertificateRotationWithoutRestart", false);
                out.boolean("SupportsLocalWriteForwarding", false);
                out.boolean("SupportsIntegrations", false);
            },
        );
    }
}
