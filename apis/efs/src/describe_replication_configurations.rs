//! `DescribeReplicationConfigurations`: there are none.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeReplicationConfigurations.html>

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
    page::{AskedPage, Style},
};

/// The input.
#[derive(Debug)]
pub struct DescribeReplicationConfigurations {
    id: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct NoReplications;

keyward_types::action!("elasticfilesystem": DescribeReplicationConfigurations = "elasticfilesystem:DescribeReplicationConfigurations");

impl Operation for DescribeReplicationConfigurations {
    const NAME: &'static str = "DescribeReplicationConfigurations";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        text("NextToken"),
        integer("MaxResults"),
    ];
    type Api = Efs;
    type Output = NoReplications;
    type Fault = EfsFault;
    type Resolved = (Option<OneFileSystem>, AnyFileSystem);
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::optional_file_system_id(&mut m);
        AskedPage::read(&mut m, Style::Token);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, EfsFault> {
        let one = match &self.id {
            Some(id) => Some(cx.named_file_system(id).await?),
            None => None,
        };
        Ok((one, AnyFileSystem::of(cx)))
    }

    fn authorize(
        &self,
        (one, any): &Self::Resolved,
        gate: &Gate<'_>,
    ) -> Result<Permit<Self>, Denied> {
        match one {
            Some(one) => gate.permit(one, |_| ()),
            None => gate.permit(any, |_| ()),
        }
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        (one, _): &Self::Resolved,
        _cx: &Cx<'_>,
    ) -> Result<Done<NoReplications>, EfsFault> {
        match one {
            None => Ok(Done::unchanged(NoReplications)),
            Some(one) => {
                one.get()?;
                Err(EfsFault::ReplicationNotFound)
            }
        }
    }
}

impl Output<Efs> for NoReplications {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Replications", |_| ());
    }
}
