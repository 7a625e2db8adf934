//! `DescribeFileSystems`: the file systems of the caller's account and Region, or one of them.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeFileSystems.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    fault::EfsFault,
    file_system::{AnyFileSystem, OneFileSystem},
    members,
    shown::Described,
};

/// The input.
#[derive(Debug)]
pub struct DescribeFileSystems {
    paging: Paging,
    marker: Option<String>,
    token: Option<String>,
    id: Option<String>,
}

/// What it is asked about: one file system, or all.
#[derive(Debug)]
pub struct About {
    one: Option<OneFileSystem>,
    any: AnyFileSystem,
}

/// The output.
#[derive(Debug)]
pub struct Listed {
    marker: Option<String>,
    page: Page<Described>,
}

keyward_types::action!("elasticfilesystem": DescribeFileSystems = "elasticfilesystem:DescribeFileSystems");

impl Operation for DescribeFileSystems {
    const NAME: &'static str = "DescribeFileSystems";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        integer("MaxItems"),
        text("Marker"),
        text("CreationToken"),
        text("FileSystemId"),
    ];
    type Api = Efs;
    type Output = Listed;
    type Fault = EfsFault;
    type Resolved = About;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let (marker, most) = members::page(&mut m, ("Marker", "MaxItems"));
        let token = members::creation_token(&mut m).map(str::to_owned);
        let id = members::optional_file_system_id(&mut m);
        m.finish()?;
        Ok(Self {
            paging: Paging::new(marker.clone(), most),
            marker,
            token,
            id,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<About, EfsFault> {
        let one = match &self.id {
            Some(id) => Some(cx.named_file_system(id).await?),
            None => None,
        };
        Ok(About {
            one,
            any: AnyFileSystem::of(cx),
        })
    }

    fn authorize(&self, about: &About, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        match &about.one {
            Some(one) => gate.permit(one, |_| ()),
            None => gate.permit(&about.any, |_| ()),
        }
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        about: &About,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed>, EfsFault> {
        let mut all = match &about.one {
            Some(one) => vec![one.get()?.clone()],
            None => cx.file_systems().await?,
        };
        let mut filter = String::new();
        if let Some(token) = &self.token {
            all.retain(|one| one.record.token == *token);
            filter = token.clone();
        }
        let list = (Self::NAME, filter.as_str());
        if let Some(after) = self.paging.after(cx, list)? {
            all.retain(|one| one.record.id > after);
        }
        let page = self
            .paging
            .cut(cx, list, all, |one| one.record.id.clone())?;
        Ok(Done::unchanged(Listed {
            marker: self.marker.clone(),
            page: page.map(|one| Described::new(one, cx)),
        }))
    }
}

impl Output<Efs> for Listed {
    fn render(&self, out: &mut Writer<'_>) {
        if let Some(marker) = &self.marker {
            out.string("Marker", marker);
        }
        out.array("FileSystems", |list| {
            for one in &self.page.items {
                list.object(|out| one.write(out));
            }
        });
        if let Some(next) = &self.page.next {
            out.string("NextMarker", next);
        }
    }
}
