//! `listEnvironments`

use keyward_engine::{
    audit::parameters::Parameter,
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments, ask::Ask, environments::shown::ShownEnvironment, fault::CdeFault, kept,
    records::EnvironmentRecord,
};

/// The input.
#[derive(Debug)]
pub struct ListEnvironments;

/// The output.
#[derive(Debug)]
pub struct Listed(Vec<ShownEnvironment>);

keyward_types::action!("environments": ListEnvironments = "environments:listEnvironments");

impl Ask for ListEnvironments {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Of = Environments;
    type Output = Listed;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    fn resource(&self) -> Option<String> {
        None
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Listed>, CdeFault> {
        let all = kept::every::<EnvironmentRecord>(cx).await?.into_iter();
        let all = all.map(|one| ShownEnvironment::new(one, cx)).collect();
        Ok(Done::unchanged(Listed(all)))
    }
}

impl Output<Environments> for Listed {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("environments", |all| {
            for one in &self.0 {
                all.object(|out| one.write_summary(out));
            }
        });
    }
}
