//! `PutAccountPreferences` and `DescribeAccountPreferences`: ids of new resources are long, as those of
//! every account at AWS that did not choose otherwise before October 2021.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutAccountPreferences.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    fault::EfsFault,
    file_system::AnyFileSystem,
    page::{AskedPage, Style},
};

/// The kinds of ids.
const TYPES: &[&str] = &["LONG_ID", "SHORT_ID"];

/// `PutAccountPreferences`
#[derive(Debug)]
pub struct PutAccountPreferences;

/// What every account prefers.
#[derive(Debug)]
pub struct LongIds;

keyward_types::action!("elasticfilesystem": PutAccountPreferences = "elasticfilesystem:PutAccountPreferences");

impl Operation for PutAccountPreferences {
    const NAME: &'static str = "PutAccountPreferences";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("ResourceIdType")];
    type Api = Efs;
    type Output = LongIds;
    type Fault = EfsFault;
    type Resolved = AnyFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let kind = m.enumeration("ResourceIdType", TYPES).required();
        m.finish()?;
        if kind == "SHORT_ID" {
            let message = "The ids of new resources cannot be short.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<AnyFileSystem, EfsFault> {
        Ok(AnyFileSystem::of(cx))
    }

    fn authorize(&self, any: &AnyFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(any, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _any: &AnyFileSystem,
        _cx: &Cx<'_>,
    ) -> Result<Done<LongIds>, EfsFault> {
        Ok(Done::unchanged(LongIds))
    }
}

/// `DescribeAccountPreferences`
#[derive(Debug)]
pub struct DescribeAccountPreferences;

keyward_types::action!("elasticfilesystem": DescribeAccountPreferences = "elasticfilesystem:DescribeAccountPreferences");

impl Operation for DescribeAccountPreferences {
    const NAME: &'static str = "DescribeAccountPreferences";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("NextToken"), integer("MaxResults")];
    type Api = Efs;
    type Output = LongIds;
    type Fault = EfsFault;
    type Resolved = AnyFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        AskedPage::read(&mut m, Style::Token);
        m.finish()?;
        Ok(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<AnyFileSystem, EfsFault> {
        Ok(AnyFileSystem::of(cx))
    }

    fn authorize(&self, any: &AnyFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(any, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _any: &AnyFileSystem,
        _cx: &Cx<'_>,
    ) -> Result<Done<LongIds>, EfsFault> {
        Ok(Done::unchanged(LongIds))
    }
}

impl Output<Efs> for LongIds {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("ResourceIdPreference", |preference| {
            preference.string("ResourceIdType", "LONG_ID");
            preference.strings("Resources", ["FILE_SYSTEM", "MOUNT_TARGET"]);
        });
    }
}
