//! `DescribeFileSystems`: the file systems of the caller's account and Region, or one of them.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeFileSystems.html>

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
    file_system::{AnyFileSystem, OneFileSystem},
    members,
    page::{AskedPage, Listed, Style},
    shown::Described,
};

/// The input.
#[derive(Debug)]
pub struct DescribeFileSystems {
    page: AskedPage,
    token: Option<String>,
    id: Option<String>,
}

/// What it is asked about: one file system, or all.
#[derive(Debug)]
pub struct About {
    one: Option<OneFileSystem>,
    any: AnyFileSystem,
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
    type Output = Listed<Described>;
    type Fault = EfsFault;
    type Resolved = About;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let page = AskedPage::read(&mut m, Style::Marker);
        let token = members::creation_token(&mut m).map(str::to_owned);
        let id = members::optional_file_system_id(&mut m);
        m.finish()?;
        Ok(Self { page, token, id })
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
    ) -> Result<Done<Listed<Described>>, EfsFault> {
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
        let page = self.page.of(all, |one| &one.record.id, list, cx)?;
        Ok(Done::unchanged(page.map(|one| Described::new(one, cx))))
    }
}

impl Output<Efs> for Listed<Described> {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out, "FileSystems", Described::write);
    }
}
