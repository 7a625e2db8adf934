//! `DescribeCustomKeyStores`: there are none, since none can be created.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeCustomKeyStores.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members};

/// The input.
#[derive(Debug)]
pub struct DescribeCustomKeyStores {
    id: Option<String>,
    name: Option<String>,
    marker: Option<String>,
}

/// The output: an empty page.
#[derive(Debug)]
pub struct NoStores;

keyward_types::action!("kms": DescribeCustomKeyStores = "kms:DescribeCustomKeyStores");

impl Operation for DescribeCustomKeyStores {
    const NAME: &'static str = "DescribeCustomKeyStores";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("CustomKeyStoreId"),
        text("CustomKeyStoreName"),
        integer("Limit"),
        text("Marker"),
    ];
    type Api = Kms;
    type Output = NoStores;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let id = m.string("CustomKeyStoreId").length(1, 64).optional();
        let name = m.string("CustomKeyStoreName").length(1, 256).optional();
        members::limit(&mut m, 1000, 1000);
        let marker = members::marker(&mut m);
        m.finish()?;
        if id.is_some() && name.is_some() {
            let message = "CustomKeyStoreId and CustomKeyStoreName must not both be specified.";
            return Err(KmsFault::Validation {
                message: message.to_owned(),
            });
        }
        Ok(Self {
            id: id.map(str::to_owned),
            name: name.map(str::to_owned),
            marker,
        })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KmsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        _cx: &Cx<'_>,
    ) -> Result<Done<NoStores>, KmsFault> {
        // No marker was ever given.
        if self.marker.is_some() {
            return Err(KmsFault::InvalidMarker);
        }
        if self.id.is_some() || self.name.is_some() {
            return Err(KmsFault::CustomKeyStoreNotFound);
        }
        Ok(Done::unchanged(NoStores))
    }
}

impl Output<Kms> for NoStores {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("CustomKeyStores", |_| ());
        members::render_page(out, None);
    }
}
