//! `deleteCredential`: a credential that no environment uses.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Empty},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx, Environments,
    ask::Ask,
    fault::CdeFault,
    kept, members,
    records::{CredentialRecord, EnvironmentRecord},
};

/// The input.
#[derive(Debug)]
pub struct DeleteCredential {
    name: String,
}

keyward_types::action!("environments": DeleteCredential = "environments:deleteCredential");

impl Ask for DeleteCredential {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("credentialName")];
    type Of = Environments;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            name: members::named(m, "credentialName"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("credential/{}", self.name))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Empty>, CdeFault> {
        let (record, revision) = cx.named::<CredentialRecord>(&self.name).await?;
        let all = kept::every::<EnvironmentRecord>(cx).await?;
        if let Some(user) = all.iter().find(|one| one.credential == record.name) {
            return Err(CdeFault::Precondition(format!(
                "The credential {} is used by the environment {}.",
                record.name, user.name
            )));
        }
        let mut batch = cx.batch();
        let path = kept::path::<CredentialRecord>(cx, &record.name);
        batch.delete(path, Precondition::At(revision))?;
        Ok(Done::changed(Empty, batch))
    }
}
