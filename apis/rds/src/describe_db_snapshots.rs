//! `DescribeDBSnapshots`: the DB snapshots of the caller's account and Region. All are manual ones, and none is shared.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshots.html>

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
    installed::ENGINE,
    instance::{OneInstance, own_name},
    members::{self, Filter},
    page::{AskedPage, Listed},
    protected::Named,
    shown_snapshot::DescribedSnapshot,
    snapshot::{OneSnapshot, Snapshot},
};

/// The filters that there are.
const FILTERS: &[&str] = &[
    "db-instance-id",
    "db-snapshot-id",
    "dbi-resource-id",
    "engine",
    "snapshot-type",
];
/// What AWS has beside manual ones.
const TYPES: &[&str] = &["automated", "awsbackup", "manual", "public", "shared"];

/// The input.
#[derive(Debug)]
pub struct DescribeDBSnapshots {
    named: Option<String>,
    instance: Option<String>,
    id: Option<String>,
    kind: Option<String>,
    filters: Vec<Filter>,
    page: AskedPage,
}

/// What it is asked about: one snapshot or all, and of which instance.
#[derive(Debug)]
pub struct About {
    one: Option<Box<OneSnapshot>>,
    all: Named,
    instance: Option<Box<OneInstance>>,
}

keyward_types::action!("rds": DescribeDBSnapshots = "rds:DescribeDBSnapshots");

impl Operation for DescribeDBSnapshots {
    const NAME: &'static str = "DescribeDBSnapshots";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        text("DBSnapshotIdentifier"),
        text("SnapshotType"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
        boolean("IncludeShared"),
        boolean("IncludePublic"),
        text("DbiResourceId"),
    ];
    type Api = Rds;
    type Output = Listed<DescribedSnapshot>;
    type Fault = RdsFault;
    type Resolved = About;
    type Permits = (Permit<Self>, Option<Permit<Self>>);

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let instance = m.string("DBInstanceIdentifier").length(0, 255).optional();
        let named = m.string("DBSnapshotIdentifier").length(0, 1024).optional();
        let kind = m.string("SnapshotType").length(0, 64).optional();
        let id = m.string("DbiResourceId").length(0, 64).optional();
        // Nobody shares any here.
        m.boolean("IncludeShared").optional();
        m.boolean("IncludePublic").optional();
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let kind = owned(kind);
        if let Some(kind) = kind.as_ref().filter(|kind| !TYPES.contains(&kind.as_str())) {
            return Err(RdsFault::InvalidParameterValue(format!(
                "Invalid snapshot type: {kind}. It must be one of {}.",
                TYPES.join(", ")
            )));
        }
        Ok(Self {
            named: owned(named),
            instance: owned(instance),
            id: owned(id),
            kind,
            filters: members::known(filters, FILTERS)?,
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<About, RdsFault> {
        let one = match &self.named {
            Some(named) => Some(Box::new(cx.named_snapshot(named).await?)),
            None => None,
        };
        let instance = match &self.instance {
            Some(named) => Some(Box::new(cx.named_instance(named).await?)),
            None => None,
        };
        let all = Named::new(cx, "snapshot", "*");
        Ok(About { one, all, instance })
    }

    fn authorize(&self, about: &About, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let permit = match &about.one {
            Some(one) => gate.permit(&**one, |_| ())?,
            None => gate.permit(&about.all, |_| ())?,
        };
        let of_instance = match &about.instance {
            Some(one) => Some(gate.permit(&**one, |_| ())?),
            None => None,
        };
        Ok((permit, of_instance))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        about: &About,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<DescribedSnapshot>>, RdsFault> {
        let mut all = match &about.one {
            Some(one) => vec![one.get()?.clone()],
            None => cx.snapshots().await?,
        };
        let of = about.instance.as_ref().map(|one| &one.name);
        let is_of = |snapshot: &Snapshot| {
            let instance = &snapshot.record.instance;
            of.is_none_or(|name| instance.name == *name)
                && self.id.as_ref().is_none_or(|id| instance.id.as_str() == id)
                && self.kind.as_ref().is_none_or(|kind| kind == "manual")
        };
        all.retain(|snapshot| {
            let mut filters = self.filters.iter();
            is_of(snapshot) && filters.all(|filter| is_meant(snapshot, filter, cx))
        });
        // A marker is good for the same question only.
        let Self {
            named,
            instance,
            id,
            kind,
            filters,
            ..
        } = self;
        let question = format!("{named:?} {instance:?} {id:?} {kind:?} {filters:?}");
        let list = (Self::NAME, question.as_str());
        let name = |snapshot: &Snapshot| snapshot.record.name.clone();
        let page = self.page.of(all, name, list, cx)?;
        let described = |snapshot| DescribedSnapshot::new(snapshot, cx);
        Ok(Done::unchanged(page.map(described)))
    }
}

/// Whether a filter lets a snapshot through.
fn is_meant(snapshot: &Snapshot, filter: &Filter, cx: &Cx<'_>) -> bool {
    let (record, mut values) = (&snapshot.record, filter.values.iter());
    match filter.name.as_str() {
        "db-instance-id" => {
            let name = Some(&record.instance.name);
            values.any(|value| own_name(value, "db", cx).as_ref() == name)
        }
        "db-snapshot-id" => {
            let name = Some(&record.name);
            values.any(|value| own_name(value, "snapshot", cx).as_ref() == name)
        }
        "dbi-resource-id" => values.any(|value| value == record.instance.id.as_str()),
        "engine" => values.any(|value| value == ENGINE),
        "snapshot-type" => values.any(|value| value == "manual"),
        _ => false,
    }
}

impl Output<Rds> for Listed<DescribedSnapshot> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(out, ("DBSnapshots", "DBSnapshot"), |out, one| {
            one.write(out);
        });
    }
}
