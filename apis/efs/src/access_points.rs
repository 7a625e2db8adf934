//! `DescribeAccessPoints` and `DeleteAccessPoint`.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeAccessPoints.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    access_point::{self, DescribedAccessPoint, OneAccessPoint},
    fault::EfsFault,
    file_system::{AnyFileSystem, OneFileSystem},
    members,
    page::{AskedPage, Listed, Style},
};

/// `DescribeAccessPoints`
#[derive(Debug)]
pub struct DescribeAccessPoints {
    page: AskedPage,
    id: Option<String>,
    file_system: Option<String>,
}

/// What the request is about.
#[derive(Debug)]
pub enum About {
    /// One access point.
    One(OneAccessPoint),
    /// Those of a file system.
    Of(OneFileSystem),
    /// All.
    Any(AnyFileSystem),
}

keyward_types::action!("elasticfilesystem": DescribeAccessPoints = "elasticfilesystem:DescribeAccessPoints");

impl Operation for DescribeAccessPoints {
    const NAME: &'static str = "DescribeAccessPoints";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        integer("MaxResults"),
        text("NextToken"),
        text("AccessPointId"),
        text("FileSystemId"),
    ];
    type Api = Efs;
    type Output = Listed<DescribedAccessPoint>;
    type Fault = EfsFault;
    type Resolved = About;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let page = AskedPage::read(&mut m, Style::Token);
        let id = members::access_point_id(&mut m).map(str::to_owned);
        let file_system = members::optional_file_system_id(&mut m);
        m.finish()?;
        if id.is_some() && file_system.is_some() {
            let message = "AccessPointId and FileSystemId cannot both be specified.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(Self {
            page,
            id,
            file_system,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<About, EfsFault> {
        Ok(match (&self.id, &self.file_system) {
            (Some(id), _) => About::One(cx.named_access_point(id).await?),
            (None, Some(id)) => About::Of(cx.named_file_system(id).await?),
            (None, None) => About::Any(AnyFileSystem::of(cx)),
        })
    }

    fn authorize(&self, about: &About, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        match about {
            About::One(one) => gate.permit(one, |_| ()),
            About::Of(file_system) => gate.permit(file_system, |_| ()),
            About::Any(any) => gate.permit(any, |_| ()),
        }
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        about: &About,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<DescribedAccessPoint>>, EfsFault> {
        let (all, filter) = match about {
            About::One(one) => (vec![one.get()?.0.clone()], one.id.as_str()),
            About::Of(file_system) => {
                let id = &file_system.get()?.record.id;
                let mut all = cx.access_points().await?;
                all.retain(|one| one.file_system == *id);
                (all, id.as_str())
            }
            About::Any(_) => (cx.access_points().await?, ""),
        };
        let list = (Self::NAME, filter);
        let page = self.page.of(all, |one| &one.id, list, cx)?;
        let page = page.map(|one| DescribedAccessPoint::new(one, cx));
        Ok(Done::unchanged(page))
    }
}

impl Output<Efs> for Listed<DescribedAccessPoint> {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out, "AccessPoints", DescribedAccessPoint::write);
    }
}

/// `DeleteAccessPoint`
#[derive(Debug)]
pub struct DeleteAccessPoint {
    id: String,
}

keyward_types::action!("elasticfilesystem": DeleteAccessPoint = "elasticfilesystem:DeleteAccessPoint");

impl Operation for DeleteAccessPoint {
    const NAME: &'static str = "DeleteAccessPoint";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AccessPointId")];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = OneAccessPoint;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::access_point_id(&mut m).map(str::to_owned);
        if id.is_none() {
            m.string("AccessPointId").required();
        }
        m.finish()?;
        Ok(Self {
            id: id.unwrap_or_default(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneAccessPoint, EfsFault> {
        cx.named_access_point(&self.id).await
    }

    fn authorize(&self, one: &OneAccessPoint, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneAccessPoint,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let (record, revision) = one.get()?;
        let mut batch = cx.batch();
        let path = access_point::path(cx, &record.id)?;
        let token = access_point::token_path(cx, &record.token);
        if let Some(file_system) = cx.file_system(&record.file_system).await? {
            let mut belongings = file_system.volume.belongings.clone();
            belongings.retain(|one| one != path.as_str() && one != token.as_str());
            cx.change_belongings(&mut batch, &file_system, belongings)?;
        }
        batch.delete(path, Precondition::At(*revision))?;
        batch.delete(token, Precondition::Any)?;
        Ok(Done::changed(Empty, batch))
    }
}
