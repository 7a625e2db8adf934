//! The service `environments`: credentials, and environments, which name one, a Region and a KMS key.

pub mod create_aws_credential;
pub mod create_aws_environment;
pub mod delete_credential;
pub mod delete_environment;
pub mod describe_environment;
pub mod get_credential_prerequisites;
pub mod list_credentials;
pub mod list_environments;
pub mod prerequisites;
pub mod shown;
pub mod update_disk_encryption;

use keyward_engine::{
    api::Api as _,
    context::Context,
    dependents::{Backups, Dependent, Dependents},
};
use keyward_types::key_id::KeyArn;

use crate::{Cx, Environments, kept, records::EnvironmentRecord};

/// The environments of the caller's account that have a key: what is created in them is encrypted under it.
pub fn dependents<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
    Box::pin(async move {
        let named = key.to_string();
        let mut all = kept::every::<EnvironmentRecord>(cx).await?;
        all.retain(|one| one.key.as_ref() == Some(&named));
        let (partition, account) = (cx.partition(), cx.account());
        let shown = |one: EnvironmentRecord| Dependent {
            arn: format!(
                "arn:{partition}:environments::{account}:environment/{}",
                one.name
            ),
            kind: "CDP::Environments::Environment",
            name: Some(one.name),
            backups: Backups::Unknown,
        };
        Ok(all.into_iter().map(shown).collect())
    })
}

impl Cx<'_> {
    /// The ARN of an environment.
    pub fn arn_of_environment(&self, name: &str) -> String {
        self.arn_of(Environments::SERVICE, &format!("environment/{name}"))
    }
}
