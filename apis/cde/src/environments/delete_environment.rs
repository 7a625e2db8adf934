//! `deleteEnvironment`: an environment in which no service is enabled. `cascading` disables none: that is asked for by name.

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    operation::{Done, Empty},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx, Environments,
    ask::Ask,
    de::parts,
    fault::CdeFault,
    kept, members,
    records::{EnvironmentRecord, ServiceRecord},
};

/// The input.
#[derive(Debug)]
pub struct DeleteEnvironment {
    name: String,
}

keyward_types::action!("environments": DeleteEnvironment = "environments:deleteEnvironment");

impl Ask for DeleteEnvironment {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("environmentName"),
        boolean("cascading"),
        boolean("forced"),
    ];
    const UNSERVED: &'static [&'static str] = &["cascading", "forced"];
    type Of = Environments;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            name: members::named(m, "environmentName"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("environment/{}", self.name))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Empty>, CdeFault> {
        let (record, revision) = cx.environment(&self.name).await?;
        let mut batch = cx.batch();
        for (service, at) in kept::every_with_revision::<ServiceRecord>(cx).await? {
            if service.environment != record.name {
                continue;
            }
            if !parts::are_gone(cx, &service).await? {
                return Err(CdeFault::Precondition(format!(
                    "The service {} ({}) is enabled in the environment {}. Disable it first.",
                    service.name, service.id, record.name
                )));
            }
            // What there is no room for, the next service that is enabled forgets.
            parts::forget(cx, &mut batch, (&service, at)).await?;
        }
        let path = kept::path::<EnvironmentRecord>(cx, &record.name);
        batch.delete(path, Precondition::At(revision))?;
        Ok(Done::changed(Empty, batch))
    }
}
