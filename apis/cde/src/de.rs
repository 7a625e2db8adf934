//! The service `de`: services, each with a file system, a database and a provider of Kubernetes secrets, and virtual
//! clusters.

pub mod check;
pub mod create_vc;
pub mod delete_vc;
pub mod describe_service;
pub mod describe_vc;
pub mod disable_service;
pub mod enable_service;
pub mod get_service_init_logs;
pub mod list_services;
pub mod list_vcs;
pub mod parts;
pub mod provision;
pub mod record_provisioning;
pub mod shown;
pub mod vcs;

use keyward_engine::{
    context::Context,
    dependents::{Backups, Dependent, Dependents},
};
use keyward_types::key_id::KeyArn;

use crate::{kept, records::ServiceRecord};

/// The services of the caller's account whose parts are encrypted under a key.
pub fn dependents<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
    Box::pin(async move {
        let named = key.to_string();
        let mut all = kept::every::<ServiceRecord>(cx).await?;
        all.retain(|one| one.key.as_ref() == Some(&named));
        let (partition, account) = (cx.partition(), cx.account());
        let shown = |one: ServiceRecord| Dependent {
            arn: format!("arn:{partition}:de::{account}:service/{}", one.id),
            kind: "CDP::DE::Service",
            name: Some(one.name),
            backups: Backups::Unknown,
        };
        Ok(all.into_iter().map(shown).collect())
    })
}
