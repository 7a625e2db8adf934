//! `DescribeDBSnapshotAttributes`: which other accounts may restore a snapshot. None may: snapshots are not shared.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshotAttributes.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{Cx, Rds, fault::RdsFault, members, snapshot::OneSnapshot};

/// The input.
#[derive(Debug)]
pub struct DescribeDBSnapshotAttributes {
    named: String,
}

/// The attributes of a snapshot, by its name.
#[derive(Debug)]
pub struct Attributes(String);

keyward_types::action!("rds": DescribeDBSnapshotAttributes = "rds:DescribeDBSnapshotAttributes");

impl Operation for DescribeDBSnapshotAttributes {
    const NAME: &'static str = "DescribeDBSnapshotAttributes";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("DBSnapshotIdentifier")];
    type Api = Rds;
    type Output = Attributes;
    type Fault = RdsFault;
    type Resolved = OneSnapshot;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("DBSnapshotIdentifier").length(0, 1024).optional();
        m.finish()?;
        let named = members::required(named, "DBSnapshotIdentifier")?;
        Ok(Self { named })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneSnapshot, RdsFault> {
        cx.named_snapshot(&self.named).await
    }

    fn authorize(&self, one: &OneSnapshot, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneSnapshot,
        _cx: &Cx<'_>,
    ) -> Result<Done<Attributes>, RdsFault> {
        let name = one.get()?.record.name.clone();
        Ok(Done::unchanged(Attributes(name)))
    }
}

impl Output<Rds> for Attributes {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("DBSnapshotAttributesResult", |out| {
            out.text("DBSnapshotIdentifier", &self.0);
            let names = ("DBSnapshotAttributes", "DBSnapshotAttribute");
            out.list_of(names, &["restore"], |out, name| {
                out.text("AttributeName", name);
                out.list("AttributeValues", [(); 0], |_, ()| ());
            });
        });
    }
}
