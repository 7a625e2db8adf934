//! `DescribeEvents`: what happened to the DB instances and DB snapshots that are there. The newest fifty of each instance
//! are kept; the events of an instance or a snapshot end with it.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeEvents.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::time::Timestamp;
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Rds,
    fault::RdsFault,
    instance, members,
    page::{AskedPage, Listed},
    protected::Named,
    snapshot,
    states::told,
};

/// What events are about at AWS. Here all are about instances and snapshots.
const SOURCES: &[&str] = &[
    "db-instance",
    "db-parameter-group",
    "db-security-group",
    "db-snapshot",
    "db-cluster",
    "db-cluster-snapshot",
    "custom-engine-version",
    "db-proxy",
    "blue-green-deployment",
    "db-shard-group",
    "zero-etl",
];
/// How far events go back if nothing is said of it, and at most, in minutes.
const MINUTES: i64 = 60;
const MAX_MINUTES: i64 = 14 * 24 * 60;

/// The input.
#[derive(Debug)]
pub struct DescribeEvents {
    source: Option<String>,
    kind: Option<&'static str>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    minutes: Option<i64>,
    categories: Vec<String>,
    page: AskedPage,
}

/// An event as it is told.
#[derive(Debug)]
pub struct Told {
    name: String,
    arn: String,
    /// `SourceType`.
    kind: &'static str,
    /// Its place among those of the same moment and source.
    number: usize,
    at: Timestamp,
    message: &'static str,
    category: &'static str,
}

keyward_types::action!("rds": DescribeEvents = "rds:DescribeEvents");

impl Operation for DescribeEvents {
    const NAME: &'static str = "DescribeEvents";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("SourceIdentifier"),
        text("SourceType"),
        text("StartTime"),
        text("EndTime"),
        integer("Duration"),
        texts("EventCategories"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
    ];
    type Api = Rds;
    type Output = Listed<Told>;
    type Fault = RdsFault;
    type Resolved = Named;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let source = m.string("SourceIdentifier").length(0, 255).optional();
        let source = source.filter(|name| !name.is_empty());
        let kind = m.enumeration("SourceType", SOURCES).optional();
        let from = m.timestamp("StartTime").optional();
        let until = m.timestamp("EndTime").optional();
        let minutes = m.integer("Duration").optional();
        let categories = m.strings("EventCategories").count(0, 20);
        let categories = categories.each_length(0, 255).optional();
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        members::known(filters, &[])?;
        if source.is_some() && kind.is_none() {
            let message = "SourceType is required if SourceIdentifier is specified.".to_owned();
            return Err(RdsFault::InvalidParameterCombination(message));
        }
        if let Some(minutes) = minutes.filter(|minutes| !(1..=MAX_MINUTES).contains(minutes)) {
            return Err(RdsFault::InvalidParameterValue(format!(
                "Invalid value {minutes} for Duration. Must be between 1 and {MAX_MINUTES}"
            )));
        }
        let categories = categories.unwrap_or_default().into_iter();
        Ok(Self {
            source: source.map(str::to_ascii_lowercase),
            kind,
            from,
            until,
            minutes,
            categories: categories.map(str::to_owned).collect(),
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Named, RdsFault> {
        let name = self.source.as_deref().unwrap_or("*");
        let kind = match self.kind {
            Some("db-snapshot") => "snapshot",
            _ => "db",
        };
        Ok(Named::new(cx, kind, name))
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Told>>, RdsFault> {
        let until = self.until.unwrap_or(cx.now);
        let minutes = self.minutes.unwrap_or(MINUTES);
        let since = until.plus_millis(-minutes * 60_000);
        let since = self.from.unwrap_or(since);
        let mut events = Vec::new();
        if matches!(self.kind, None | Some("db-instance")) {
            events.extend(of_instances(cx).await?);
        }
        if matches!(self.kind, None | Some("db-snapshot")) {
            events.extend(of_snapshots(cx).await?);
        }
        events.retain(|event| {
            let is_of = self.source.as_ref().is_none_or(|name| event.name == *name);
            let mut categories = self.categories.iter();
            let is_meant =
                self.categories.is_empty() || categories.any(|asked| asked == event.category);
            is_of && is_meant && (since..=until).contains(&event.at)
        });
        events.sort_by_key(Told::position);
        let filter = format!("{:?}", (&self.source, self.kind, &self.categories));
        let list = (Self::NAME, filter.as_str());
        let page = self.page.of(events, Told::position, list, cx)?;
        Ok(Done::unchanged(page))
    }
}

/// What happened to instances.
async fn of_instances(cx: &Cx<'_>) -> Result<Vec<Told>, RdsFault> {
    let mut events = Vec::new();
    for found in cx.instances().await? {
        let name = &found.record.name;
        let arn = instance::arn(cx.region, cx.account(), name);
        for (number, event) in found.database()?.events.iter().enumerate() {
            let (message, category) = told(event.what);
            events.push(Told {
                name: name.clone(),
                arn: arn.clone(),
                kind: "db-instance",
                number,
                at: event.at,
                message,
                category,
            });
        }
    }
    Ok(events)
}

/// What happened to snapshots: that they were to be made, and were.
async fn of_snapshots(cx: &Cx<'_>) -> Result<Vec<Told>, RdsFault> {
    let mut events = Vec::new();
    for found in cx.snapshots().await? {
        let name = &found.record.name;
        let arn = snapshot::arn(cx.region, cx.account(), name);
        let origin = found.volume.copies.origin.as_ref();
        let made = origin.and_then(|origin| origin.copied);
        let created = (found.record.created, "Creating manual snapshot");
        let made = made.map(|at| (at, "Manual snapshot created"));
        for (number, (at, message)) in [created].into_iter().chain(made).enumerate() {
            events.push(Told {
                name: name.clone(),
                arn: arn.clone(),
                kind: "db-snapshot",
                number,
                at,
                message,
                category: "creation",
            });
        }
    }
    Ok(events)
}

impl Told {
    /// Its place: the oldest come first.
    fn position(&self) -> String {
        let (at, name, number) = (self.at.millis().max(0), &self.name, self.number);
        format!("{at:016} {name} {} {number:03}", self.kind)
    }
}

impl Output<Rds> for Listed<Told> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(out, ("Events", "Event"), |out, event| {
            out.text("SourceIdentifier", &event.name);
            out.text("SourceType", event.kind);
            out.text("Message", event.message);
            out.texts_of(("EventCategories", "EventCategory"), [event.category]);
            out.timestamp("Date", event.at);
            out.text("SourceArn", &event.arn);
        });
    }
}
