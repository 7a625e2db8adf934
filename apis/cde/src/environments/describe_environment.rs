//! `describeEnvironment`

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments, ask::Ask, environments::shown::ShownEnvironment, fault::CdeFault, members,
};

/// The input.
#[derive(Debug)]
pub struct DescribeEnvironment {
    name: String,
}

/// The output.
#[derive(Debug)]
pub struct Described(ShownEnvironment);

keyward_types::action!("environments": DescribeEnvironment = "environments:describeEnvironment");

impl Ask for DescribeEnvironment {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("environmentName")];
    type Of = Environments;
    type Output = Described;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            name: members::named(m, "environmentName"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("environment/{}", self.name))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Described>, CdeFault> {
        let (record, _) = cx.environment(&self.name).await?;
        Ok(Done::unchanged(Described(ShownEnvironment::new(
            record, cx,
        ))))
    }
}

impl Output<Environments> for Described {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("environment", |out| self.0.write(out));
    }
}
