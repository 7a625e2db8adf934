//! `listCredentials`

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments, ask::Ask, environments::shown::ShownCredential, fault::CdeFault, kept,
    members, records::CredentialRecord,
};

/// The input.
#[derive(Debug)]
pub struct ListCredentials {
    name: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct Credentials(Vec<ShownCredential>);

keyward_types::action!("environments": ListCredentials = "environments:listCredentials");

impl Ask for ListCredentials {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("credentialName")];
    type Of = Environments;
    type Output = Credentials;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            name: members::optional(m, "credentialName", 256),
        }
    }

    fn resource(&self) -> Option<String> {
        None
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Credentials>, CdeFault> {
        let all = kept::every::<CredentialRecord>(cx).await?;
        let is_meant =
            |one: &CredentialRecord| self.name.as_ref().is_none_or(|name| one.name == *name);
        let all = all.into_iter().filter(is_meant);
        let shown = all.map(|one| ShownCredential::new(one, cx)).collect();
        Ok(Done::unchanged(Credentials(shown)))
    }
}

impl Output<Environments> for Credentials {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("credentials", |all| {
            for one in &self.0 {
                all.object(|out| one.write(out));
            }
        });
    }
}
